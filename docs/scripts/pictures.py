"""Pictures of the documentation: a real search in a terminal, in MLflow's pages, in its report.

    pip install playwright
    python docs/scripts/pictures.py [--config conf/digits.yaml] [--keep FOLDER]
    python docs/scripts/pictures.py --augmentation

The second makes the picture of augmented images alone, and needs Fashion-MNIST. The first needs tmux and Chromium
(`--chromium` names it): the search runs as a user's does, in a terminal of tmux, which is captured in the middle and at
the end; a real `mlflow server` keeps its runs and shows them. PNGs go to docs/images/.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

from hivenas.config import from_mapping
from hivenas.execution.tasks import augmented_examples
from hivenas.reports import draw_augmentation

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
SESSION = "hivenas-pictures"
COLUMNS, LINES = 116, 34
CLASSIC = "workflowType=machine_learning"  # not the pages for GenAI
LONGEST_MS = 180_000
AUGMENTED = {
    "dataset": {"name": "fashion_mnist", "train_limit": 1000},
    "evaluation": {"augmentation": {"flip": True, "shift": 0.07, "rand_augment": 0.5, "cutout": 0.5}},
}
DESKTOP, PHONE = {"width": 1280, "height": 1000}, {"width": 390, "height": 844}


def main() -> None:
    """Runs the search and takes every picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=ROOT / "conf" / "digits.yaml")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--port", type=int, default=5000, help="of MLflow's server")
    parser.add_argument("--keep", type=Path, help="a folder for the search, used as it is where it has one")
    parser.add_argument("--augmentation", action="store_true", help="nothing but the picture of augmented images")
    options = parser.parse_args()
    if options.augmentation:
        picture_of_augmentation()
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        done = (folder / "mlflow.db").exists()
        with server(folder, options.port) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=options.chromium)
            screens = [] if done else search(options.config.resolve(), folder, browser, address)
            for name, screen in zip(("terminal", "terminal_end"), screens, strict=False):
                picture_of_terminal(browser, screen, IMAGES / f"{name}.png")
            pictures_of_report(browser, folder)
            pictures_of_mlflow(browser, address)
            browser.close()


def picture_of_augmentation() -> None:
    """Images of Fashion-MNIST as a training with several augmentations sees them."""
    config = from_mapping(AUGMENTED)
    draw_augmentation(augmented_examples(config).run(), config.evaluation.augmentation, IMAGES)


def search(config: Path, folder: Path, browser: Browser, address: str) -> list[str]:
    """Runs the search in a terminal, with pictures of MLflow; what it showed in the middle, and at the end."""
    store = f"MLFLOW_TRACKING_URI={address} MLFLOW_HTTP_REQUEST_TIMEOUT={LONGEST_MS // 1000}"
    (folder / "conf").mkdir()
    shutil.copy(config, folder / "conf")
    # live at once: candidates on digits end within the five seconds after which they would be shown by default
    command = f"{store} hivenas search --config conf/{shlex.quote(config.name)} --set tracking_live_s=0"
    command += "; echo; echo finished"
    command = f"clear; sh -c {shlex.quote(command)}"  # a shell that does not mind when the search is suspended
    tmux("new-session", "-d", "-s", SESSION, "-x", str(COLUMNS), "-y", str(LINES), "-c", str(folder))
    try:
        tmux("send-keys", "-t", SESSION, f"PS1='$ '; PATH={Path(sys.executable).parent}:$PATH; {command}", "Enter")
        screens = []
        table = folder / "results" / config.stem / f"{config.stem}.csv"
        while not table.exists() or len(table.read_text().splitlines()) < 15:
            time.sleep(0.5)
        with suspended(address):
            screens.append(shown())
            picture_of_running(browser, address)
        while "\nfinished" not in shown():
            time.sleep(1)
        screens.append(shown())
    finally:
        tmux("kill-session", "-t", SESSION)
    return [f"$ hivenas search --config conf/{config.name}\n{before_the_end(screen)}" for screen in screens]


def tmux(*arguments: str) -> str:
    """Calls tmux; what it printed."""
    return subprocess.run(["tmux", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def shown() -> str:
    """The terminal's screen, colours included."""
    return tmux("capture-pane", "-e", "-p", "-t", SESSION)


def before_the_end(screen: str) -> str:
    """The screen up to the word that the search is finished."""
    return screen.split("\nfinished", maxsplit=1)[0].rstrip("\n") + "\n"


def picture_of_terminal(browser: Browser, screen: str, file: Path) -> None:
    """Draws a screen of a terminal as it looks."""
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(Text.from_ansi(screen), end="")
    body = console.export_html(theme=SVG_EXPORT_THEME, inline_styles=True, code_format="<pre>{code}</pre>")
    style = "body{margin:0;display:inline-block;background:#1e1e2e;color:#e4e4ef;padding:18px 22px;border-radius:10px}"
    page = browser.new_page(viewport={"width": 1200, "height": 400}, device_scale_factor=1.5)
    page.set_content(f"<style>{style} pre{{margin:0;font:14px/1.35 'DejaVu Sans Mono',monospace}}</style>{body}")
    page.locator("body").screenshot(path=file, omit_background=True)
    page.close()


def pictures_of_report(browser: Browser, folder: Path) -> None:
    """The report at the width of a desktop and of a phone, the latter in the dark."""
    (report,) = folder.glob("results/*/report.html")
    for name, size, scheme in (("report", DESKTOP, "light"), ("report_phone", PHONE, "dark")):
        page = browser.new_page(viewport=size, color_scheme=scheme)
        page.goto(report.resolve().as_uri())
        page.wait_for_timeout(500)
        page.screenshot(path=IMAGES / f"{name}.png")
        page.close()


@contextmanager
def server(folder: Path, port: int) -> Iterator[str]:
    """A server of MLflow over the search's store."""
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        while True:
            time.sleep(1)
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait()


@contextmanager
def suspended(address: str) -> Iterator[None]:
    """Holds the search back in the middle of a candidate, so that its run stays as it is."""
    client = mlflow.MlflowClient(address)
    while not running(client):
        time.sleep(0.2)
    shell = tmux("display-message", "-p", "-t", SESSION, "#{pane_pid}").strip()
    outer = subprocess.run(["pgrep", "-P", shell], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    process = subprocess.run(["pgrep", "-P", outer], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    os.kill(int(process), signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(int(process), signal.SIGCONT)


def running(client: mlflow.MlflowClient) -> list[Any]:
    """The runs of candidates in training."""
    (experiment,) = experiments_of(client)
    goes_on = "tags.`hivenas.phase` = 'evaluate' and attributes.status = 'RUNNING'"
    return list(client.search_runs([experiment.experiment_id], goes_on))


def picture_of_running(browser: Browser, address: str) -> None:
    """The runs of a search with a candidate in training."""
    (experiment,) = experiments_of(mlflow.MlflowClient(address))
    page = browser.new_page(viewport=DESKTOP)
    path = f"/#/experiments/{experiment.experiment_id}/runs?compareRunsMode=TABLE&{CLASSIC}"
    visit(page, f"{address}{path}", "text=Run Name")
    fold_out(page, experiment.name)
    page.screenshot(path=IMAGES / "mlflow_running.png")
    page.close()


def experiments_of(client: mlflow.MlflowClient) -> list[Any]:
    """The experiments of searches."""
    return [each for each in client.search_experiments() if each.name != "Default"]


def pictures_of_mlflow(browser: Browser, address: str) -> None:
    """The parent's page, its plots, a child, the children in charts, by fitness and compared, the registered model."""
    client = mlflow.MlflowClient(address)
    (experiment,) = experiments_of(client)
    runs = list(client.search_runs([experiment.experiment_id]))
    (parent,) = (run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    children = [run for run in runs if run.data.tags.get("hivenas.phase") == "evaluate"]
    changed = next(run for run in children if run.data.tags.get("hivenas.parent_candidate"))
    at = f"/#/experiments/{experiment.experiment_id}"
    chosen = ",".join(f'"{run.info.run_id}"' for run in children)
    compared = f'runs=[{chosen}]&experiments=["{experiment.experiment_id}"]'
    pages = {  # with something that is there once the page is
        "mlflow_parent": (f"{at}/runs/{parent.info.run_id}", "text=Show more"),
        "mlflow_artifacts": (f"{at}/runs/{parent.info.run_id}/artifacts/plots/convergence.svg", "text=convergence.svg"),
        "mlflow_child": (f"{at}/runs/{changed.info.run_id}", "text=About this run"),
        "mlflow_charts": (f"{at}/runs?viewStateShareKey=hivenas-candidates", "text=Run Name"),
        "mlflow_view": (f"{at}/runs?viewStateShareKey=hivenas-candidates", "text=Run Name"),
        "mlflow_compare": (f"/#/compare-runs?{compared}", "text=Parallel"),
        "mlflow_model": (f"/#/models/{experiment.name}", "text=Version 1"),
        "mlflow_version": (f"/#/models/{experiment.name}/versions/1", "text=Aliases"),
    }
    for name, (path, selector) in pages.items():
        page = browser.new_page(viewport=DESKTOP)
        visit(page, f"{address}{path}{'&' if '?' in path else '?'}{CLASSIC}", selector)
        if name in CLICKS:
            CLICKS[name](page)
        page.screenshot(path=IMAGES / f"{name}.png")
        page.close()


def show_charts(page: Any) -> None:
    """Changes from the table of a view to its charts: the second of the buttons left of the search box."""
    box = page.get_by_placeholder("metrics.rmse").first.bounding_box()
    page.mouse.click(box["x"] - 115, box["y"] + box["height"] / 2)
    page.wait_for_timeout(9_000)


def choose_fitness(page: Any) -> None:
    """Adds the fitness to the metrics that are compared."""
    box = page.get_by_text("Metrics:", exact=True).first.bounding_box()
    page.mouse.click(box["x"] + 118, box["y"] + 36)
    page.keyboard.type("fitness")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    page.wait_for_timeout(3_000)


CLICKS = {"mlflow_charts": show_charts, "mlflow_compare": choose_fitness}


def fold_out(page: Any, name: str) -> None:
    """Shows the children of a search in the list of runs; the cross to click stands left of its name."""
    box = page.get_by_role("link", name=name, exact=True).last.bounding_box()
    page.mouse.click(box["x"] - 32, box["y"] + box["height"] / 2)
    page.wait_for_timeout(6_000)


def visit(page: Any, url: str, selector: str) -> None:
    """Opens a page of MLflow, waits until it shows something and what comes after it, and closes its assistant."""
    page.set_default_timeout(LONGEST_MS)
    page.goto(url, wait_until="domcontentloaded")
    page.locator(selector).first.wait_for()
    page.wait_for_timeout(12_000)
    assistant = page.get_by_text("MLflow Assistant")
    if assistant.count():
        # Its cross is the last button of its head.
        box = assistant.first.bounding_box()
        page.mouse.click(page.viewport_size["width"] - 36, box["y"] + box["height"] / 2)
        page.wait_for_timeout(1_500)
    more = page.get_by_text("Show more", exact=True)
    if more.count():
        more.first.click()
        page.wait_for_timeout(500)


if __name__ == "__main__":
    main()
