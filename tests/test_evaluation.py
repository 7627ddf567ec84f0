"""The evaluation of a run: metrics, report, findings, and the command."""

import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import broken_runs
from zatlas import cli
from zatlas.create import train
from zatlas.metrics.evaluation import GROUPS, evaluate
from zatlas.metrics.findings import diagnose
from zatlas.metrics.metric import Metric
from zatlas.metrics.run_summary import RunSummary
from zatlas.metrics.titles import format_value
from zatlas.report import write_report
from zatlas.training.recipe import make_recipe
from zatlas.workspace import Workspace


@pytest.fixture(scope="module")
def scored(digits, own_cache):
    """All that can be measured of a small run."""
    return evaluate(digits)


def test_an_evaluation_has_metrics_of_every_group_that_applies(scored):
    assert {figure.group for figure in scored.metrics} == set(GROUPS)
    assert len({figure.name for figure in scored.metrics}) == len(scored.metrics)
    for figure in scored.metrics:
        assert figure.about and figure.n >= 0, figure.name


def test_the_command_prints_only_json_and_writes_a_self_contained_report(digits, tmp_path, capsys):
    report = tmp_path / "report.html"
    words = ["evaluate", str(digits.run.folder), "--only", "likelihood", "--only", "space"]
    assert cli.main([*words, "--out", str(report)]) == 0
    printed, output = capsys.readouterr()
    result = json.loads(printed)
    assert result["metrics"]["elbo"]["interval"][0] < result["metrics"]["elbo"]["value"]
    assert "Findings for" in output
    text = report.read_text()
    assert "ELBO" in text and "data:image/png;base64," in text
    linked = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert linked and all(link.startswith(("data:", "#")) for link in linked)


@pytest.mark.slow
def test_several_runs_are_compared_in_one_table(digits, plain, capsys, tmp_path):
    runs = [str(digits.run.folder), str(plain.run.folder)]
    assert cli.main(["evaluate", *runs, "--only", "space"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [one["run"] for one in result] == ["digits", "plain"]
    for run in runs:
        assert (Path(run) / "report.html").exists()


@pytest.mark.parametrize(
    ("words", "output"),
    [
        ((), "Name a run to evaluate"),
        (("nowhere",), "nowhere"),
        (("{run}", "--only", "sample"), "samples"),
        (("{run}", "{run}", "--out", "x.html"), "--out takes the report of one run"),
        (("{run}", "--features", "nothing.onnx"), "nothing.onnx"),
        (("{run}", "--only", "samples", "--prior", "floww"), "flow"),
    ],
)
def test_inputs_that_cannot_be_evaluated_are_refused_in_one_sentence(words, output, digits, capsys):
    given = [word.format(run=digits.run.folder) for word in words]
    assert cli.main(["evaluate", *given]) == 2
    printed, stderr = capsys.readouterr()
    assert not printed and output in stderr and "Traceback" not in stderr


@pytest.mark.parametrize(
    "name", ["plain", "conditional", "rival", pytest.param("portraits", marks=pytest.mark.slow)]
)
def test_every_kind_of_model_can_be_evaluated(name, request):
    workspace = request.getfixturevalue(name)
    table = evaluate(workspace).as_dict()
    json.dumps(table, allow_nan=False)
    assert {"samples", "meaning"} <= {figure["group"] for figure in table["metrics"].values()}


def test_a_finding_that_another_explains_is_skipped():
    def summary(**values):
        figures = {name: Metric(name, "space", value, "", 1, baseline=0.1) for name, value in values.items()}
        return RunSummary(Path("run"), "vae", 8, "normal", figures, None)

    single = diagnose(summary(active_units=0.0, rate=0.01, charge=1.0))
    assert [finding.name for finding in single] == ["posterior collapse"]
    explained = diagnose(summary(active_units=0.0, rate=0.01, charge=1.0, noise=1.0))
    assert [finding.name for finding in explained] == ["likelihood too noisy"]


def test_a_collapse_that_only_the_rate_shows_does_not_mention_dimensions():
    rate = {"rate": Metric("rate", "likelihood", 0.1, "", 1)}
    (result,) = diagnose(RunSummary(Path("run"), "vae", 8, "normal", rate, None))
    assert result.text.startswith("A latent holds only 0.1 nats")


def test_missing_metrics_give_no_findings():
    assert diagnose(RunSummary(Path("run"), "gan", 8, "normal", {}, None)) == []


def sampled(frechet, floor=2.3, family="gan", steps=4500, **others):
    """A summary of a run whose samples have this Frechet distance."""
    figures = {"frechet": Metric("frechet", "samples", frechet, "", 1, baseline=floor)}
    figures |= {name: Metric(name, "samples", value, "", 1) for name, value in others.items()}
    trained = make_recipe({"data": {"source": "digits"}, "model": {"family": family}}, (1, 8, 8))
    return RunSummary(Path("run"), family, 8, "normal", figures, trained, [{"step": steps}])


def test_samples_far_from_the_data_are_named_with_both_distances():
    (finding,) = diagnose(sampled(28.9))
    assert finding.name == "samples far from the data"
    assert "samples to real images is 28.9; between equally many real images it is 2.3." in finding.text
    assert any("train --resume run --epochs" in each.command for each in finding.suggestions)
    assert diagnose(sampled(7.9)) == []


def test_samples_of_a_model_with_an_encoder_may_be_blurred_but_not_without_limit():
    assert diagnose(sampled(40.0, family="vae", posterior_frechet=38.0)) == []
    (finding,) = diagnose(sampled(200.0, family="vae", posterior_frechet=190.0))
    assert finding.name == "samples far from the data"
    assert "--prior flow" in finding.suggestions[0].command
    imported = replace(sampled(200.0, posterior_frechet=190.0, steps=0), family="other", recipe=None)
    assert [each.name for each in diagnose(imported)] == ["samples far from the data"]


def test_a_gan_of_few_steps_is_called_unfinished(rival):
    findings = {finding.name: finding for finding in evaluate(rival, groups=("samples",)).findings}
    finding = findings["training not converged"]
    assert "trained for 22 steps" in finding.text and "Frechet distance of samples" in finding.text
    assert "--resume" in finding.suggestions[0].command
    assert [each.name for each in diagnose(sampled(3.0, steps=22))] == []


def test_a_suggestion_changes_a_setting_and_its_command_can_be_copied():
    share = {"variety": 0.5, "sample_diversity": 0.5, "memorized": 0.9}
    figures = {name: Metric(name, "samples", x, "", 1, baseline=0.0) for name, x in share.items()}
    gan = make_recipe({"data": {"source": "digits"}, "model": {"family": "gan"}}, (1, 8, 8))
    ill = RunSummary(Path("my runs/a"), "gan", 8, "normal", figures, gan)
    copied, collapsed = diagnose(ill)
    assert [each.settings for each in copied.suggestions] == [("training.flip=true",)]
    assert [shlex.split(each.command)[3] for each in collapsed.suggestions] == ["my runs/a"]
    sick = replace(ill, recipe=replace(gan, model={**gan.model, "r1": 0.0}))
    assert len(diagnose(sick)[1].suggestions) == 2
    imported = replace(ill, recipe=None)
    assert [finding.suggestions for finding in diagnose(imported)] == [(), ()]


def test_a_run_on_one_image_can_be_evaluated(tmp_path, own_cache):
    images = tmp_path / "one"
    images.mkdir()
    Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(images / "a.png")
    run = train(images, epochs=1, out=tmp_path / "run", verbose=False)
    reconstruction = evaluate(run).metric("reconstruction")
    assert reconstruction.n == 1 and reconstruction.about.endswith("on training images")
    assert write_report(run, evaluate(run, groups=["likelihood"]), tmp_path / "report.html").exists()
    assert "Training images and their reconstructions" in (tmp_path / "report.html").read_text()


def test_names_in_brackets_are_printed_in_full(digits, tmp_path, capsys):
    run = tmp_path / "my [red] run"
    shutil.copytree(digits.run.folder, run)
    assert cli.main(["evaluate", str(run), "--only", "likelihood", "--only", "likelihood"]) == 0
    assert capsys.readouterr().err.count("my [red] run") >= 2


def test_a_folder_that_is_not_a_run_is_refused_before_any_run_is_measured(digits, tmp_path, capsys):
    report = digits.run.folder / "report.html"
    report.unlink(missing_ok=True)
    assert cli.main(["evaluate", str(digits.run.folder), str(tmp_path / "nowhere")]) == 2
    assert not report.exists()


@pytest.mark.parametrize(
    ("value", "error", "output"),
    [
        (2.0, None, "2 nats"),
        (1e-9, 2e-9, "below 0.000001 nats"),
        (25.84, 0.18, "25.8 ± 0.2 nats"),
        (138.316, 0.45, "138.3 ± 0.5 nats"),
        (1797.3, 12.0, "1,797 ± 12 nats"),
        (0.97334, 0.0012, "0.973 ± 0.001 nats"),
        (0.0123, 0.1622, "0.01 ± 0.16 nats"),
        (9.2103404, 2e-8, "9.21 nats"),
    ],
)
def test_a_value_has_three_digits_or_as_many_as_its_error_supports(value, error, output):
    assert format_value(Metric("rate", "likelihood", value, "", 9, error, "nats")) == output


# Also true of the broken runs, which are trained for seconds.
SHORT = {"training not converged", "samples far from the data"}


@pytest.mark.slow
@pytest.mark.parametrize("case", broken_runs.CASES, ids=lambda case: case.name)
def test_broken_runs_get_the_right_finding_and_its_suggestion_improves_the_metric(case, tmp_path):
    workspace = broken_runs.train_case(case, tmp_path)
    before = broken_runs.evaluate_run(workspace)
    first, *others = [finding.name for finding in before.findings] or [""]
    assert first == case.finding and set(others) <= SHORT
    if case.finding:
        after = broken_runs.evaluate_after_suggestion(workspace, before.findings[0])
        change = after.metric(case.metric).value - before.metric(case.metric).value
        assert (change > 0) == case.rises


def test_an_evaluation_works_from_python(digits):
    second = evaluate(Workspace.open(digits.run.folder), groups=["space"])
    assert second.metric("active_units").value <= 2
