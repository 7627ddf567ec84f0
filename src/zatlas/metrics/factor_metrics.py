"""Disentanglement metrics of a run, for datasets with known and independent generative factors."""

from itertools import combinations

import numpy as np

from zatlas.core.arrays import Latents, Rows
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

SEEDS = 3  # repetitions, each with its own posterior samples, rows, forests and votes
MIN_LATENTS = 500  # fewer latents give no reliable value
ROWS = 4000  # latents for each seed
FOREST_ROWS = 2000  # of them, for the forests of DCI
MAX_SHARED = 0.05  # nats of mutual information between independent factors, beyond the estimator's bias

DESCRIPTIONS = {
    "mig": "mutual information gap (Chen et al. 2018, https://arxiv.org/abs/1802.04942): share of a "
    "factor's entropy by which its best dimension exceeds the second best",
    "dci_disentanglement": "DCI (Eastwood and Williams 2018, https://openreview.net/forum?id=By-7dz-AZ): "
    "whether each dimension encodes one factor, by random forests",
    "dci_completeness": "DCI: whether each factor is in one dimension, by random forests",
    "dci_informativeness": "DCI: how well forests predict the factors of held-out latents: R^2 of numbers, "
    "or accuracy scaled from the most frequent class (0) to 1",
    "sap": "separated attribute predictability (Kumar et al. 2018, https://arxiv.org/abs/1711.00848): "
    "score difference between the best and the second best dimension of a factor",
    "modularity": "modularity (Ridgeway and Mozer 2018, https://arxiv.org/abs/1802.05312): whether each "
    "dimension is informative about one factor only",
    "factor_vae": "FactorVAE metric (Kim and Mnih 2018, https://arxiv.org/abs/1802.05983): how often the "
    "dimension with the least variance identifies the fixed factor",
    "beta_vae": "beta-VAE metric (Higgins et al. 2017, https://openreview.net/forum?id=Sy2fzU9gl): how "
    "often a linear classifier identifies the factor that pairs share",
}
POSTERIOR_NOTE = "; on posterior samples, so that an unused dimension counts as noise; mean over seeds"


def disentanglement_metrics(workspace: Workspace, *, seed: int = 0) -> list[Metric]:
    """Mean scores over seeds; an empty list unless all factors of the dataset are known and independent."""
    split = _split(workspace)
    factors = true_factors(workspace, workspace.table(split).rows) if split else {}
    if len(factors) < 2 or not are_independent(factors):
        return []
    scores = []
    for number in range(SEEDS):
        own = derive(seed, "disentangle", number)
        scores.append(factor_scores(workspace.posterior_samples(split, seed=own), factors, seed=own))
    shuffled = stream(seed, "lost").permutation(len(workspace.table(split)))
    baseline = factor_scores(workspace.posterior_samples(split, seed=seed)[shuffled], factors, seed=seed)
    n = min(len(shuffled), ROWS)
    metrics = []
    for name, words in DESCRIPTIONS.items():
        value, error = mean_and_error(np.array([score[name].value for score in scores]))
        parts = {
            part: float(np.mean([score[name].parts[part] for score in scores]))
            for part in scores[0][name].parts
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
                baseline_name="the same latents, assigned to other images",
                parts=parts,
            )
        )
    return metrics


def factor_scores(latents: Latents, factors: Factors, *, seed: int = 0) -> dict[str, FactorScore]:
    """Every score of these latents, by name."""
    rows = stream(seed, "rows").permutation(len(latents))[:ROWS]
    latents, factors = latents[rows], {name: column[rows] for name, column in factors.items()}
    few = {name: column[:FOREST_ROWS] for name, column in factors.items()}
    disentanglement, completeness, informativeness = dci(latents[:FOREST_ROWS], few, seed=seed % (1 << 31))
    fixed = group_sampler(latents, factors)
    return {
        "mig": mig(latents, factors),
        "dci_disentanglement": disentanglement,
        "dci_completeness": completeness,
        "dci_informativeness": informativeness,
        "sap": sap(latents, factors),
        "modularity": modularity(latents, factors),
        "factor_vae": factor_vae(fixed, factors, latents.std(axis=0), seed=seed),
        "beta_vae": beta_vae(fixed, factors, seed=seed),
    }


def true_factors(workspace: Workspace, rows: Rows) -> dict[str, np.ndarray]:
    """The known generative factors of these images that vary; empty for other datasets."""
    source = workspace.recipe.source
    names = DATASETS.get(source).factors if source in DATASETS.names() else ()
    factors = {}
    for name in names:
        column = workspace.labels(rows) if name == "label" else workspace.dataset.attributes[name][rows]
        if column is not None and len(np.unique(column)) > 1:
            factors[name] = np.asarray(column)
    return factors


def are_independent(factors: Factors) -> bool:
    """Whether the factors are independent, which the scores require."""
    columns = [to_bins(column) for column in factors.values()]
    for a, b in combinations(columns, 2):
        freedom = int(a.max()) * int(b.max())
        # The estimator's bias for independent columns, plus four standard deviations.
        counted = (freedom / 2 + 4 * (freedom / 2) ** 0.5) / len(a)
        if mutual_information_of_bins(a, b) > MAX_SHARED + counted:
            return False
    return True


def _split(workspace: Workspace) -> str:
    """The test split, or the training split if too few are held out; an empty string without a dataset."""
    if not workspace.source.indexed or not workspace.run.recipe_file.exists() or workspace.source.generated:
        return ""
    return next((s for s in ("test", "train") if len(workspace.rows(s)) >= MIN_LATENTS), "")
