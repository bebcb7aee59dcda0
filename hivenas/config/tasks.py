"""The tasks that `task` may name: what the labels of the images are, and all that follows from that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hivenas.config.registry import import_callable
from hivenas.config.text import one_of
from hivenas.wording import number_of

CLASSIFY, MULTILABEL, REGRESS = "classify", "multilabel", "regress"
THRESHOLD = 0.5  # a label is answered where it is more probable


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningTask:
    """A task of networks, as a record that describes itself; all that is done otherwise for it hangs on the record.

    Its pieces are named by their paths, `module:name`, and imported when they are first used (`piece`).

    Args:
        name: as `task` names it.
        description: what the labels are, in a line.
        fitness: the metric that is looked for where `evaluation.fitness` says nothing.
        losses: names of its losses, first the one where `evaluation.loss` says nothing.
        without: keys of `evaluation`, dotted, that say nothing of it and must be left out.
        share: name of the figure of every epoch that is `accuracy` of classes: at most 1, and more is better.
        share_label: the same for people.
        alike: how far two networks answer alike that should, in words before a number of images; may hold {share}, of
            images whose largest answer is the same.
        activation: of the last layer, for pictures of architectures.
        use: what its model does with images, in words.
        returns: what its model returns, in words.
        same: what two models' answers share that agree, in words.
        same_as: the same for people, beside the model that is compared with.
        answer: what an answer says of an image, a class or a label, in words; empty for a number.
        names_file: of the names of these, which goes with an exported model; empty for none.
        threshold: from which probability an answer is given; None where it is not that of each by itself.
        least_outputs: that a network must have.
        answers_like: the same in words.
        has_built_in: whether the labels of the data sets that come with hivenas are of this kind.
        needs_table: whether a folder of images must have a table of labels.
        evaluator: the kind of model by which MLflow's own evaluation knows it; empty where that knows none.
        labels: how labels are read and split, a `LabelKind`.
        head: what its networks end with, and how their answers are judged, a `Head`.
        tested: the answers of a fully trained network on the test split, a `Tested`.
        per_output: figures of every class or label, a function of labels, answers and names.
        pictures: draws the answers on the test split, a function of these and a folder.
        agreement: of two models' answers, an `Agreement`.
        prediction: the answer to an image, a function of its file, place, answers and names.
    """

    name: str
    description: str
    fitness: str
    losses: tuple[str, ...]
    without: tuple[str, ...] = ()
    share: str
    share_label: str
    alike: str = "others for some of"
    activation: str
    use: str
    returns: str
    same: str
    same_as: str = "that of the Keras model"
    answer: str = ""
    names_file: str = ""
    threshold: float | None = None
    least_outputs: int = 1
    answers_like: str
    has_built_in: bool = False
    needs_table: bool = True
    evaluator: str = ""
    labels: str
    head: str
    tested: str
    per_output: str
    pictures: str
    agreement: str
    prediction: str

    def piece(self, name: str) -> Any:
        """A piece, imported now.

        Args:
            name: of the field that holds its path.
        """
        return import_callable(getattr(self, name))

    @property
    def marks(self) -> dict[str, str]:
        """That which records say of it, under the key `task`; nothing of the default, as it always was."""
        return {} if self.name == CLASSIFY else {"task": self.name}

    def outputs(self, count: int) -> str:
        """The answers that an image gets, in words, such as 10 classes.

        Args:
            count: of the network's outputs.
        """
        return number_of(count, self.answer) if self.answer else "a number each"

    @property
    def answers_told(self) -> dict[str, Any]:
        """That which goes along with an exported model to say what it answers; nothing of the default's."""
        told = {"answer": self.answer, "threshold": self.threshold}
        return {} if self.name == CLASSIFY else {**self.marks, **told}


TASKS: Mapping[str, LearningTask] = {
    task.name: task
    for task in (
        LearningTask(
            name=CLASSIFY,
            description="one class an image",
            fitness="accuracy",
            losses=("cross_entropy", "focal"),
            share="accuracy",
            share_label="accuracy",
            alike="the same class for {share:.0%} of",
            activation="softmax",
            use="classify images",
            returns="class probabilities",
            same="class",
            answer="class",
            names_file="classes.txt",
            least_outputs=2,
            answers_like="the probabilities of two classes or more",
            has_built_in=True,
            needs_table=False,
            evaluator="classifier",
            labels="hivenas.core.nas.data.label_kinds:CLASSES",
            head="hivenas.core.nas.training.heads:SOFTMAX",
            tested="hivenas.core.nas.training.predictions:TestPredictions",
            per_output="hivenas.core.metrics:per_class",
            pictures="hivenas.reports.predictions:draw_predictions",
            agreement="hivenas.core.agreement:CLASS",
            prediction="hivenas.run.prediction:class_of",
        ),
        LearningTask(
            name=MULTILABEL,
            description="any number of labels an image",
            fitness="f1_labels",
            losses=("binary_cross_entropy",),
            without=("class_weight",),
            share="exact_match",
            share_label="exact match",
            activation="sigmoid",
            use="label images",
            returns="the probability of every label",
            same="labels",
            same_as="those of the Keras model",
            answer="label",
            names_file="labels.txt",
            answers_like="the probability of a label or more",
            threshold=THRESHOLD,
            labels="hivenas.core.nas.data.label_kinds:LABELS",
            head="hivenas.core.nas.training.heads:SIGMOID",
            tested="hivenas.core.nas.training.task_predictions:LabelPredictions",
            per_output="hivenas.core.label_metrics:per_label",
            pictures="hivenas.reports.task_pictures:draw_labels",
            agreement="hivenas.core.agreement:LABELS",
            prediction="hivenas.run.task_answers:labels_of",
        ),
        LearningTask(
            name=REGRESS,
            description="a number an image",
            fitness="rmse",
            losses=("mean_squared_error",),
            without=("class_weight", "label_smoothing", "augmentation.cutmix"),
            share="explained",
            share_label="explained share of the variance",
            activation="linear",
            use="read numbers",
            returns="a number, in the labels' unit",
            same="number",
            answers_like="a number",
            same_as="that of the Keras model, up to a hundredth of the labels' deviation",
            evaluator="regressor",
            labels="hivenas.core.nas.data.label_kinds:NUMBERS",
            head="hivenas.core.nas.training.heads:LINEAR",
            tested="hivenas.core.nas.training.task_predictions:NumberPredictions",
            per_output="hivenas.core.number_metrics:per_output",
            pictures="hivenas.reports.task_pictures:draw_numbers",
            agreement="hivenas.core.agreement:NUMBER",
            prediction="hivenas.run.task_answers:number_of",
        ),
    )
}


def check_task(name: object) -> str:
    """Refuses what is no task.

    Raises:
        ValueError: the names that there are, and the nearest.
    """
    return one_of(name, tuple(TASKS))


def task_of(marks: Mapping[str, Any]) -> LearningTask:
    """The task of records that have its `marks`; the default one's have none."""
    return TASKS[str(marks.get("task", CLASSIFY))]
