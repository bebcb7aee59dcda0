"""Pictures of the documentation: real searches in a terminal, in MLflow's pages, in their reports.

    pip install playwright
    python docs/scripts/pictures.py [--only PART] [--config conf/digits.yaml] [--keep FOLDER]

PART is one of these, by default all of them are made:

    search        a search in a terminal, its pages in MLflow and its report; needs tmux
    weighed       a search that weighs two costs, while it runs and afterwards: its runs, its models, its front
    evaluation    a training whose model MLflow evaluates; needs Fashion-MNIST
    augmentation  augmented images; needs Fashion-MNIST

Searches run as a user's do, beside a real `mlflow server` which keeps their runs and shows them to Chromium, which
`--chromium` names. PNGs go to docs/images/.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mlflow_pages import LONGEST_MS, MlflowPages, server
from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text
from small_png import write_small_png

from hivenas.config import from_mapping
from hivenas.execution.tasks import augmented_examples
from hivenas.reports import draw_augmentation

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
SESSION = "hivenas-pictures"
COLUMNS, LINES = 116, 34
AUGMENTED = {
    "dataset": {"name": "fashion_mnist", "train_limit": 1000},
    "evaluation": {"augmentation": {"flip": True, "shift": 0.07, "rand_augment": 0.5, "cutout": 0.5}},
}
WEIGHED = """
name: phone
seed: 42
dataset: {name: digits}
objectives: {fitness: max, params: min, macs: min}
space: {preset: layerwise, depth: 4, skip_rate: 0.2}
evaluation: {epochs: 12, batch_size: 32, optimizer: !Operation {op: Adam}, initial_lr: 0.005, final_lr: 0.0002}
colony: {size: 7, iterations: 3}
full_train: {epochs: 20, finalists: 1}
results: {logged_models: 5}
tracking_live_s: 0
"""
EVALUATED = """
name: fashion
seed: 42
dataset: {name: fashion_mnist, train_limit: 3000}
space: {preset: layerwise, depth: 4, skip_rate: 0.2}
evaluation: {batch_size: 32, optimizer: !Operation {op: Adam}, initial_lr: 0.003, final_lr: 0.0002}
full_train: {epochs: 6}
registry: {evaluation: true}
"""
EVALUATED_NETWORK = "input|max_pool3x3|sep3x3_32|max_pool3x3|sep5x5_64|output"
PARTS = ("search", "weighed", "evaluation", "augmentation")
DESKTOP, PHONE = {"width": 1280, "height": 1000}, {"width": 390, "height": 844}


def main() -> None:
    """Runs the searches and takes every picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=PARTS, help="a part; all of them by default")
    parser.add_argument("--config", type=Path, default=ROOT / "conf" / "digits.yaml", help="of the search")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--port", type=int, default=5000, help="of MLflow's server")
    parser.add_argument("--keep", type=Path, help="a folder for the searches; those that it has are not run again")
    options = parser.parse_args()
    parts = options.only or PARTS
    if "augmentation" in parts:
        picture_of_augmentation()
    if set(parts) == {"augmentation"}:
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.keep or Path(temporary)).resolve()
        (folder / "conf").mkdir(parents=True, exist_ok=True)
        with server(folder, options.port) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=options.chromium)
            if "search" in parts:
                pictures_of_search(browser, address, folder, options.config.resolve())
            if "weighed" in parts:
                pictures_of_weighed(browser, address, folder)
            if "evaluation" in parts:
                picture_of_evaluation(browser, address, folder)
            browser.close()


def pictures_of_search(browser: Browser, address: str, folder: Path, config: Path) -> None:
    """A search in a terminal, in MLflow and as a report."""
    done = (folder / "results" / config.stem).exists()
    screens = [] if done else search(config, folder, address)
    for name, screen in zip(("terminal", "terminal_end"), screens, strict=False):
        picture_of_terminal(browser, screen, IMAGES / f"{name}.png")
    pictures_of_report(browser, folder / "results" / config.stem / "report.html")
    MlflowPages(browser, address, config.stem, IMAGES).of_search()


def pictures_of_weighed(browser: Browser, address: str, folder: Path) -> None:
    """A search that weighs two costs: while it runs, its models, its front in MLflow and in its report."""
    pages = MlflowPages(browser, address, "phone", IMAGES)
    if not (folder / "results" / "phone").exists():
        with started(["search"], "phone", WEIGHED, folder, address) as process:
            while process.poll() is None and not pages.grows(complete=4, epochs=7):
                time.sleep(0.1)
            with suspended(process):
                pages.running()
                pages.growing()
                pages.in_training()
    pages.models()
    pages.front()
    picture_of_front(browser, folder / "results" / "phone" / "report.html")


def picture_of_evaluation(browser: Browser, address: str, folder: Path) -> None:
    """What MLflow's own evaluation of a model has drawn."""
    if not (folder / "results" / "fashion").exists():
        with started(["arch", EVALUATED_NETWORK], "fashion", EVALUATED, folder, address):
            pass
    MlflowPages(browser, address, "fashion", IMAGES).evaluation()


@contextmanager
def started(
    command: Sequence[str], name: str, config: str, folder: Path, address: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A command of hivenas, which ends before this does.

    Args:
        command: without its configuration.
        name: of that.
        config: its text.
        folder: where the command works.
        address: of MLflow's server.

    Raises:
        CalledProcessError: it failed.
    """
    (folder / "conf" / f"{name}.yaml").write_text(config)
    called = [sys.executable, "-m", "hivenas", *command, "--config", f"conf/{name}.yaml"]
    environment = os.environ | store_of(address)
    with subprocess.Popen(called, cwd=folder, env=environment) as process:
        yield process
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, called)


@contextmanager
def suspended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Holds a search back in the middle of a candidate, so that its run stays as it is."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def store_of(address: str) -> dict[str, str]:
    """The environment of a command whose runs a server keeps, which browsers keep busy."""
    return {"MLFLOW_TRACKING_URI": address, "MLFLOW_HTTP_REQUEST_TIMEOUT": str(LONGEST_MS // 1000)}


def picture_of_augmentation() -> None:
    """Images of Fashion-MNIST as a training with several augmentations sees them."""
    config = from_mapping(AUGMENTED)
    draw_augmentation(augmented_examples(config).run(), config.evaluation.augmentation, IMAGES)


def search(config: Path, folder: Path, address: str) -> list[str]:
    """Runs the search in a terminal; what it showed in the middle, and at the end."""
    store = " ".join(f"{key}={value}" for key, value in store_of(address).items())
    shutil.copy(config, folder / "conf")
    command = f"{store} hivenas search --config conf/{shlex.quote(config.name)}; echo; echo finished"
    command = f"clear; sh -c {shlex.quote(command)}"  # a shell that does not mind when the search is suspended
    tmux("new-session", "-d", "-s", SESSION, "-x", str(COLUMNS), "-y", str(LINES), "-c", str(folder))
    try:
        tmux("send-keys", "-t", SESSION, f"PS1='$ '; PATH={Path(sys.executable).parent}:$PATH; {command}", "Enter")
        screens = []
        table = folder / "results" / config.stem / f"{config.stem}.csv"
        while not table.exists() or len(table.read_text().splitlines()) < 15:
            time.sleep(0.5)
        screens.append(shown())
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
    write_small_png(page.locator("body").screenshot(), file)
    page.close()


def pictures_of_report(browser: Browser, report: Path) -> None:
    """The report at the width of a desktop and of a phone, the latter in the dark."""
    for name, size, scheme in (("report", DESKTOP, "light"), ("report_phone", PHONE, "dark")):
        page = browser.new_page(viewport=size, color_scheme=scheme)
        page.goto(report.as_uri())
        page.wait_for_timeout(500)
        write_small_png(page.screenshot(), IMAGES / f"{name}.png")
        page.close()


def picture_of_front(browser: Browser, report: Path) -> None:
    """The front of two costs in a report, with the figures of the member that is pointed at, and its line."""
    page = browser.new_page(viewport={"width": 1440, "height": 1000})  # room for the figures beside the heading
    page.goto(report.as_uri())
    member = page.locator(".members tbody tr").nth(-2).get_attribute("data-i")
    section = page.locator("#front")
    section.scroll_into_view_if_needed()
    section.locator(f"svg.chart >> nth=1 >> use[data-i='{member}']").hover(force=True)
    page.locator("#tip").wait_for()
    box = section.bounding_box()
    clip = {"x": box["x"] - 12, "y": box["y"] - 12, "width": box["width"] + 84, "height": box["height"] + 24}
    write_small_png(page.screenshot(clip=clip), IMAGES / "front_two_costs.png")
    page.close()


if __name__ == "__main__":
    main()
