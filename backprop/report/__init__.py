"""The report: every layer's Jacobian, proof that each is right, and what it costs to multiply them.

Importing this package loads neither matplotlib nor jinja2; they draw and render when asked to.
"""

from backprop.report.asked import Asked
from backprop.report.digits import collect
from backprop.report.own_function import report_network
from backprop.report.record import to_dict
from backprop.report.render import render_html, render_markdown, report_texts
from backprop.report.result import Derivative, Layer, LayerJacobian, Report, Training
from backprop.report.settings import Settings
from backprop.report.several import several_texts
from backprop.report.write import to_csv, to_json, write_files

__all__ = [
    "Asked",
    "Derivative",
    "Layer",
    "LayerJacobian",
    "Report",
    "Settings",
    "Training",
    "collect",
    "render_html",
    "render_markdown",
    "report_network",
    "report_texts",
    "several_texts",
    "to_csv",
    "to_dict",
    "to_json",
    "write_files",
]
