"""What is said of a filled-in sheet."""

from collections.abc import Iterable

from handgrad.worksheet.check import Finding


def text(findings: Iterable[Finding]) -> str:
    """A line for each box that is wrong or follows from one, and how many are right. The right number is not told."""
    found = list(findings)
    lines = []
    for finding in found:
        if finding.verdict == "wrong":
            slips = "; or ".join(finding.slips) or "it looks like no slip that is known here: compute it again"
            lines.append(f"{finding.box} = {finding.given} is wrong: {slips}")
        elif finding.verdict == "follows":
            lines.append(f"{finding.box} = {finding.given} follows from a wrong box before it, by the right rule")
    count = {verdict: sum(finding.verdict == verdict for finding in found) for verdict in ("right", "blank")}
    lines.append(
        f"{count['right']} of {len(found)} boxes are right" + f", {count['blank']} blank" * (count["blank"] > 0)
    )
    return "\n".join(lines)
