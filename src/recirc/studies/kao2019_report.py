"""Figures and words of the delayed reach study's report."""


def draw(folder):
    pass


def report_text(*a):
    from recirc.runs.report import ReportText

    return ReportText(title="Kao", verdict="x", sections=[], unknowns=())
