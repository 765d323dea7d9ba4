"""`handgrad list`."""

from rich.table import Table

from handgrad.terminal import Terminal


def list_command() -> None:
    """Show the experiments: source (an article's number, see docs/experiments.md), data, what must come out."""
    from handgrad.experiments import EXPERIMENTS

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("name", "what", "source", "data", "expected", "time"):
        table.add_column(heading, no_wrap=heading != "what", overflow="fold")
    for experiment in EXPERIMENTS.values():
        expected = str(experiment.expect).replace("accuracy", "acc.")
        source = experiment.source.replace("scikit-learn", "sklearn")
        cells = (experiment.name, experiment.title, source, experiment.size, expected)
        table.add_row(*cells, f"{experiment.seconds:.0f} s")
    Terminal().print(table)
