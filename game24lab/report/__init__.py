"""Reports: run folders to a PDF, from records alone."""

from game24lab.report.account import report_runs
from game24lab.report.report import Report, build_report

__all__ = ["Report", "build_report", "report_runs"]
