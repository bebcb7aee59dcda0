"""Pages of MLflow as pictures: a server, a browser that waits for what a page shows, and each page by its name."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
from playwright.sync_api import Browser
from small_png import write_small_png

CLASSIC = "workflowType=machine_learning"  # not the pages for GenAI
LONGEST_MS = 180_000
SETTLED_MS = 4_000  # for what follows what is waited for; pages ask their server again and again, and are never idle
WITHOUT_ASSISTANT = """
    localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
    localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
"""
DESKTOP = {"width": 1280, "height": 1000}
LOW = {"width": 1280, "height": 640}
HIDDEN_COLUMNS = ("Status", "Logged from", "Source run", "Dataset", "Dataset: NAME-test", "No dataset")


class MlflowPages:
    """The pages of an experiment of MLflow, as pictures in a folder.

    Args:
        browser: opens them.
        address: of the server.
        experiment: the name of the experiment; a search has that name.
        images: the folder.
    """

    def __init__(self, browser: Browser, address: str, experiment: str, images: Path) -> None:
        self._browser = browser
        self._address = address
        self._name = experiment
        self._images = images
        self._client = mlflow.MlflowClient(address)

    @property
    def _experiment(self) -> str:
        return str(self._client.get_experiment_by_name(self._name).experiment_id)

    def runs(self, phase: str, more: str = "") -> list[Any]:
        """The runs of a phase of the search, the latest first; none before there is an experiment."""
        experiment = self._client.get_experiment_by_name(self._name)
        asked = f"tags.`hivenas.phase` = '{phase}'{more}"
        return list(self._client.search_runs([experiment.experiment_id], asked)) if experiment else []

    def grows(self, complete: int, epochs: int) -> bool:
        """True where a candidate trains that has so many epochs behind it, after so many complete ones."""
        growing = self.runs("evaluate", " and attributes.status = 'RUNNING'")
        if not growing or len(self.runs("evaluate")) <= complete:
            return False
        return len(self._client.get_metric_history(growing[0].info.run_id, "val_accuracy")) >= epochs

    # -- a search that runs ------------------------------------------------------------------------------------

    def running(self) -> None:
        """The list of a search's runs, the one in training included."""
        with self._open("/runs?compareRunsMode=TABLE", "Run Name", LOW) as page:
            self._fold_out(page)
            self._save(page, "mlflow_running")

    def growing(self) -> None:
        """The curves of a search's runs beside their list, that of the one in training included."""
        with self._open("/runs?compareRunsMode=CHART", "Run Name", {"width": 1440, "height": 900}) as page:
            self._fold_out(page)
            page.get_by_placeholder("Search metric charts").fill("^(val_)?(accuracy|loss)$")
            self._drawn(page)
            self._save(page, "mlflow_growing")

    def in_training(self) -> None:
        """The curves of the candidate in training, on the page of its run."""
        (run,) = self.runs("evaluate", " and attributes.status = 'RUNNING'")
        with self._open(f"/runs/{run.info.run_id}/model-metrics?", "Model metrics", LOW) as page:
            self._drawn(page)
            self._save(page, "mlflow_candidate_training")

    # -- a search that has ended -------------------------------------------------------------------------------

    def models(self) -> None:
        """The logged models, the best first, without the columns that say nothing of how good they are."""
        with self._open("/models?", "Ready", {"width": 1440, "height": 520}) as page:
            page.get_by_role("button", name="Columns").click()
            for column in HIDDEN_COLUMNS:
                page.get_by_text(column.replace("NAME", self._data()), exact="NAME" not in column).last.click()
            page.keyboard.press("Escape")
            page.get_by_role("heading", name="Models").click()  # away from the button, which has a frame otherwise
            self._save(page, "mlflow_models")

    def evaluation(self) -> None:
        """The precision-recall curves of the model, as MLflow's own evaluation has drawn them."""
        (run,) = self.runs("full_train")
        file = "precision_recall_curve_plot.png"
        with self._open(
            f"/runs/{run.info.run_id}/artifacts/evaluation/{file}?", file, {"width": 1280, "height": 800}
        ) as page:
            self._loaded_image(page)
            self._save(page, "mlflow_evaluation")

    def front(self) -> None:
        """The front on the page of the search's run."""
        with self._open(f"/runs/{self._search}?", "About this run", {"width": 1280, "height": 530}) as page:
            heading = page.get_by_role("heading", name="The front: fitness against").first
            heading.evaluate("element => element.scrollIntoView()")
            self._save(page, "mlflow_front")

    def of_search(self) -> None:
        """The search's run, its plots, a candidate, the candidates in charts, by fitness and compared, the model."""
        children = self.runs("evaluate")
        changed = next(run for run in children if run.data.tags.get("hivenas.parent_candidate"))
        chosen = ",".join(f'"{run.info.run_id}"' for run in children)
        plots = f"/runs/{self._search}/artifacts/plots"
        view = "/runs?viewStateShareKey=hivenas-candidates"
        self._shown("mlflow_parent", f"/runs/{self._search}?", "About this run")
        self._shown("mlflow_artifacts", f"{plots}/convergence.svg?", "convergence.svg", self._loaded_image)
        self._shown("mlflow_child", f"/runs/{changed.info.run_id}?", "About this run")
        self._shown("mlflow_charts", view, "Run Name", _show_charts)
        self._shown("mlflow_view", view, "Run Name")
        compared = f'#/compare-runs?runs=[{chosen}]&experiments=["{self._experiment}"]'
        self._shown("mlflow_compare", compared, "Parallel")
        self._shown("mlflow_model", f"#/models/{self._name}?", "Version 1")
        self._shown("mlflow_version", f"#/models/{self._name}/versions/1?", "Aliases")

    # -- pages -------------------------------------------------------------------------------------------------

    @property
    def _search(self) -> str:
        (run,) = self.runs("search")
        return str(run.info.run_id)

    def _data(self) -> str:
        """The name of the data set that the experiment's runs were trained on."""
        (run,) = self.runs("search")
        return str(run.inputs.dataset_inputs[0].dataset.name)

    def _shown(self, name: str, path: str, text: str, then: Callable[[Any], None] | None = None) -> None:
        with self._open(path, text) as page:
            if then:
                then(page)
            self._save(page, name)

    @contextmanager
    def _open(self, path: str, text: str, size: Mapping[str, int] = DESKTOP) -> Iterator[Any]:
        """A page that shows a text, and what comes with it, descriptions folded out.

        Args:
            path: below the experiment, or with # from the root, up to its parameters and with the sign before these.
            text: that is there once the page is.
            size: of the window.
        """
        page = self._browser.new_page(viewport=dict(size))
        page.set_default_timeout(LONGEST_MS)
        page.add_init_script(WITHOUT_ASSISTANT)
        root = path if path.startswith("#") else f"#/experiments/{self._experiment}{path}"
        separator = "" if path.endswith("?") else "&"
        page.goto(f"{self._address}/{root}{separator}{CLASSIC}", wait_until="domcontentloaded")
        page.get_by_text(text).first.wait_for()
        page.wait_for_timeout(SETTLED_MS)
        more = page.get_by_text("Show more", exact=True)
        if more.count():
            more.first.click()
        try:
            yield page
        finally:
            page.close()

    def _fold_out(self, page: Any) -> None:
        """Shows the children of a search in the list of runs; the cross to click stands left of its name."""
        latest = self.runs("evaluate")[0].info.run_name
        box = page.get_by_role("link", name=self._name, exact=True).last.bounding_box()
        page.mouse.click(box["x"] - 32, box["y"] + box["height"] / 2)
        page.get_by_role("link", name=latest, exact=True).first.wait_for()

    def _drawn(self, page: Any) -> None:
        page.locator(".js-plotly-plot .scatterlayer path.js-line").first.wait_for(state="attached")

    def _loaded_image(self, page: Any) -> None:
        """Waits until an artifact's picture is there, and no sign that it is fetched."""
        page.wait_for_function("[...document.images].some(each => each.complete && each.naturalWidth > 300)")

    def _save(self, page: Any, name: str) -> None:
        page.wait_for_timeout(SETTLED_MS)
        write_small_png(page.screenshot(), self._images / f"{name}.png")


def _show_charts(page: Any) -> None:
    """Changes from the table of a view to its charts: the second of the buttons left of the search box."""
    box = page.get_by_placeholder("metrics.rmse").first.bounding_box()
    page.mouse.click(box["x"] - 115, box["y"] + box["height"] / 2)
    page.wait_for_timeout(9_000)


@contextmanager
def server(folder: Path, port: int) -> Iterator[str]:
    """A server of MLflow over the store in a folder; its address."""
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
