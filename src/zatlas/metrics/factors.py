"""Scores of a run by the factors its images were drawn from, where all of them are known and independent."""

from itertools import combinations

import numpy as np

from zatlas.core.arrays import Points, Rows
from zatlas.core.registry import DATASETS
from zatlas.core.seeds import derive, stream
from zatlas.metrics.disentanglement import (
    Factors,
    FactorScore,
    beta_vae,
    dci,
    factor_vae,
    group_sampler,
    mig,
    modularity,
    mutual_information_of_bins,
    sap,
    to_bins,
)
from zatlas.metrics.metric import Metric, mean_and_error
from zatlas.workspace import Workspace

SEEDS = 3  # each with draws from the posterior, rows, forests and votes of its own
MIN_LATENTS = 500  # codes, fewer than which tell no score
ROWS = 4000  # codes a seed
FOREST_ROWS = 2000  # of them, that forests read
MAX_SHARED = 0.05  # nats that independent factors share at most, beyond what counting adds

DESCRIPTIONS = {
    "mig": "mutual information gap (Chen et al. 2018, https://arxiv.org/abs/1802.04942): share of a "
    "factor's entropy that its best axis knows beyond the second best",
    "dci_disentanglement": "DCI (Eastwood and Williams 2018, https://openreview.net/forum?id=By-7dz-AZ): "
    "how far each axis serves one factor, by forests",
    "dci_completeness": "DCI: how far each factor has one axis, by forests",
    "dci_informativeness": "DCI: how well forests read the factors of held-out codes, R^2 of numbers, of "
    "kinds the accuracy from chance (0) to right (1)",
    "sap": "separated attribute predictability (Kumar et al. 2018, https://arxiv.org/abs/1711.00848): "
    "by how much the best axis tells a factor better than the second best",
    "modularity": "modularity (Ridgeway and Mozer 2018, https://arxiv.org/abs/1802.05312): how far each "
    "axis knows of one factor only",
    "factor_vae": "FactorVAE score (Kim and Mnih 2018, https://arxiv.org/abs/1802.05983): how often the "
    "axis that varies least tells the factor that is held still",
    "beta_vae": "beta-VAE score (Higgins et al. 2017, https://openreview.net/forum?id=Sy2fzU9gl): how "
    "often a plane tells the factor that pairs have in common",
}
POSTERIOR_NOTE = (
    "; codes are draws from the posterior, so that an axis that carries nothing counts as noise; mean "
    "over seeds"
)


def disentanglement_metrics(workspace: Workspace, *, seed: int = 0) -> list[Metric]:
    """The scores over seeds, for images that were drawn from independent factors; none for others."""
    split = _split(workspace)
    factors = true_factors(workspace, workspace.codes(split).rows) if split else {}
    if len(factors) < 2 or not are_independent(factors):
        return []
    found = []
    for number in range(SEEDS):
        own = derive(seed, "disentangle", number)
        found.append(factor_scores(workspace.drawn(split, seed=own), factors, seed=own))
    lost = stream(seed, "lost").permutation(len(workspace.codes(split)))
    baseline = factor_scores(workspace.drawn(split, seed=seed)[lost], factors, seed=seed)
    n = min(len(lost), ROWS)
    metrics = []
    for name, words in DESCRIPTIONS.items():
        value, error = mean_and_error(np.array([score[name].value for score in found]))
        parts = {
            part: float(np.mean([score[name].parts[part] for score in found]))
            for part in found[0][name].parts
        }
        metrics.append(
            Metric(
                name,
                "meaning",
                value,
                words + POSTERIOR_NOTE,
                n,
                error=error,
                unit="share",
                better="higher",
                baseline=baseline[name].value,
                baseline_name="the same codes, given to other images",
                parts=parts,
            )
        )
    return metrics


def factor_scores(codes: Points, factors: Factors, *, seed: int = 0) -> dict[str, FactorScore]:
    """Every score of these codes, by its name."""
    rows = stream(seed, "rows").permutation(len(codes))[:ROWS]
    codes, factors = codes[rows], {name: column[rows] for name, column in factors.items()}
    few = {name: column[:FOREST_ROWS] for name, column in factors.items()}
    pure, whole, told = dci(codes[:FOREST_ROWS], few, seed=seed % (1 << 31))
    fixed = group_sampler(codes, factors)
    return {
        "mig": mig(codes, factors),
        "dci_disentanglement": pure,
        "dci_completeness": whole,
        "dci_informativeness": told,
        "sap": sap(codes, factors),
        "modularity": modularity(codes, factors),
        "factor_vae": factor_vae(fixed, factors, codes.std(axis=0), seed=seed),
        "beta_vae": beta_vae(fixed, factors, seed=seed),
    }


def true_factors(workspace: Workspace, rows: Rows) -> dict[str, np.ndarray]:
    """The factors from which these images were drawn, if their source says so; those that vary."""
    source = workspace.recipe.source
    names = DATASETS.get(source).factors if source in DATASETS.names() else ()
    found = {}
    for name in names:
        column = workspace.labels(rows) if name == "label" else workspace.images.attributes[name][rows]
        if column is not None and len(np.unique(column)) > 1:
            found[name] = np.asarray(column)
    return found


def are_independent(factors: Factors) -> bool:
    """Whether no two factors tell of each other: what the scores say is defined only then."""
    columns = [to_bins(column) for column in factors.values()]
    for a, b in combinations(columns, 2):
        freedom = int(a.max()) * int(b.max())
        # Counting adds this to nothing, give or take four of its own spreads.
        counted = (freedom / 2 + 4 * (freedom / 2) ** 0.5) / len(a)
        if mutual_information_of_bins(a, b) > MAX_SHARED + counted:
            return False
    return True


def _split(workspace: Workspace) -> str:
    """The held-out images, or those trained on where too few are held out; neither, without a source."""
    if not workspace.coded or not workspace.run.recipe_file.exists() or workspace.imagined:
        return ""
    return next((s for s in ("test", "train") if len(workspace.rows(s)) >= MIN_LATENTS), "")
