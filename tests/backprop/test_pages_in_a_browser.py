"""Pages in a browser: no wider than a telephone, whole on paper, and without what axe-core finds.

They need Chromium; axe-core is looked at where AXE_CORE names its file, as `.ci/accessible` does.
"""

import os
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from backprop import sweep
from backprop.report import render_html, report_network
from backprop.report.several import several_texts
from jacobians import Affine, Residual, Sequential, Tanh

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
AXE = os.environ.get("AXE_CORE")
RANDOM = np.random.default_rng(0)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is here")

ASK = """<script>addEventListener("load", async () => {
  const said = {};
  for (const part of document.querySelectorAll("details")) part.open = true;
  said.width = [document.documentElement.scrollWidth, innerWidth];
  said.sorted = [];
  const table = [...document.querySelectorAll("table.sortable")].find(own => own.tBodies[0].rows.length > 2);
  if (table) {
    const place = [...table.tHead.rows[0].cells].findIndex(head => !head.classList.contains("text"));
    table.tHead.rows[0].cells[place].querySelector("[role=button]").click();
    said.sorted = [...table.tBodies[0].rows].map(row => row.cells[place].textContent);
  }
  said.violations = [];
  if (window.axe) said.violations = (await axe.run(document)).violations.map(own => own.id + ": " + own.nodes[0].html);
  const pre = document.createElement("pre");
  pre.id = "said";
  pre.textContent = JSON.stringify(said);
  document.body.append(pre);
});</script>"""


@pytest.fixture(scope="module")
def pages():
    def affine(n=6):
        return Affine(RANDOM.normal(size=(n, n)), np.zeros(n))

    path = report_network(Sequential(affine(), Tanh(), affine()), np.ones(6))
    meeting = report_network(Sequential(affine(), Residual(Sequential(affine(), Tanh()))), np.ones(6))
    return {
        "path": render_html(path),
        "meeting": render_html(meeting),
        "several": several_texts({"one": path, "two": meeting}, folders=True)["report.html"],
        "sweep": sweep(widths=[4, 8, 16], depths=[2, 3], batches=[1, 4]).to_html(),
    }


def asked(page, tmp_path, width, dark):
    import json

    file = tmp_path / "page.html"
    axe = f"<script>{Path(AXE).read_text(encoding='utf-8')}</script>" if AXE else ""
    file.write_text(page.replace("</body>", f"{axe}{ASK}</body>"), encoding="utf-8")
    scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    done = subprocess.run(
        [str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         f"--window-size={width},900", "--virtual-time-budget=20000", *scheme, "--dump-dom", file.as_uri()],
        capture_output=True, text=True, timeout=240, check=True,
    )  # fmt: skip
    found = re.search(r'<pre id="said">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found is not None, done.stderr[-500:]
    return json.loads(unescape(found[1]))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [420, 1200])
@pytest.mark.parametrize("name", ["path", "meeting", "several", "sweep"])
def test_a_page_does_not_scroll_sideways_sorts_and_is_accessible(pages, tmp_path, name, width, dark):
    said = asked(pages[name], tmp_path, width, dark)
    across, inner = said["width"]
    assert across <= inner
    numbers = [float(text.replace(",", "")) for text in said["sorted"] if re.fullmatch(r"[0-9,.]+", text)]
    assert len(numbers) > 1
    assert numbers == sorted(numbers)
    assert said["violations"] == []


def test_paper_shows_what_is_closed_on_the_screen(pages, tmp_path):
    pdftotext = shutil.which("pdftotext")
    file, pdf = tmp_path / "page.html", tmp_path / "page.pdf"
    file.write_text(pages["path"], encoding="utf-8")
    subprocess.run(
        [str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         f"--print-to-pdf={pdf}", file.as_uri()],
        capture_output=True, timeout=240, check=True,
    )  # fmt: skip
    assert pdf.read_bytes()[:5] == b"%PDF-"
    if pdftotext is None:
        pytest.skip("no pdftotext is here")
    text = subprocess.run([pdftotext, str(pdf), "-"], capture_output=True, text=True, check=True).stdout
    assert "complex-step" in text.split("What each witness says")[1]
