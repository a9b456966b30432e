"""Rounds of self-training: teachers label raw text, a student learns from it, and pipelines after it teach the next.

PDALN's progressive teacher (Zhang et al., 2021, Eq. 11), with several teachers and raw text. Each student continues
from the source stage, and not from the round before, so that it does not start with the errors of its teachers.
"""

import json
import shutil
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Sequence

from spacy.vocab import Vocab
from wasabi import msg

from ..data.docbin import read_docbin
from ..data.files import write_files
from ..errors import CrossnerError, Errors
from ..evaluation.ways import CALIBRATED, TRAINED, calibrate_ways, rank_ways
from ..fingerprints import RECORD, is_up_to_date, path_digest, version_fingerprint, write_record
from ..methods.crf.component import CRFEntityRecognizer
from ..methods.laner.component import LabelAwareEntityRecognizer
from ..silver.make import is_finished, make_silver
from ..silver.names import read_weak_names
from ..silver.settings import SilverSettings
from ..silver.sources import Sources
from ..silver.teachers import Teachers
from ..storage.outputs import check_pipeline
from ..text.entities import first_untyped
from ..text.excluded import read_excluded
from ..text.raw import check_files, read_blocks
from ..training.averaging import average_pipelines, seed_overrides
from ..training.checkpoint import new_folder
from ..training.configs import complete_config
from ..training.domain_labels import read_domain_labels
from ..training.train import train
from .settings import RoundSettings, StageSettings

TABLE = "rounds.json"
# The mean of the weights of the teachers of a round: the name of its folder, and in messages.
AVERAGE = "average"
# One evaluation, at the end: the target stage continues from the last weights.
STUDENT_EVALUATIONS = 1


class Round(NamedTuple):
    """The teachers of a round.

    number (int): 0 for those that continue from the source stage, r for those that continue from the r-th student.
    scores (Dict[Path, float]): the dev F1 after calibration of each teacher, and of the mean of their weights if they
        have one; the best first.
    """

    number: int
    scores: Dict[Path, float]

    @property
    def teachers(self) -> Dict[Path, float]:
        """The dev F1 of the teachers alone."""
        return {way: f for way, f in self.scores.items() if way.name != AVERAGE}

    @property
    def mean(self) -> float:
        """The mean dev F1 of the teachers."""
        return statistics.mean(self.teachers.values())

    @property
    def best(self) -> Path:
        """The folder of the pipeline with the best dev F1."""
        return next(iter(self.scores))


def self_train(
    output: Path, stages: StageSettings, rounds: RoundSettings, silver: SilverSettings, *, gpu_id: int = -1
) -> List[Round]:
    """Train teachers, label raw text with them, train a student on it, and repeat this while the dev F1 rises.

    Round 0 trains the target stage `teachers` times, from the pipelines of the source stage. Round r labels the raw
    text with the calibrated teachers of round r - 1, trains a student on gold and silver sentences, and trains the
    target stage `teachers` times from this student. The mean dev F1 of these is the score of the round. The rounds end
    after the first one whose score is not above that of the round before.

    All steps are kept in `OUTPUT/round-<r>`: `silver.spacy`, `student`, and `teachers`. A killed run goes on from them.
    `OUTPUT/model-best` is a copy of one pipeline: the best on dev of the best round, of its teachers and the mean of
    their weights.

    output (Path): the folder.
    stages (StageSettings): how the stages are trained.
    rounds (RoundSettings): the number of rounds, and the raw text.
    silver (SilverSettings): the settings of the labels.
    gpu_id (int): GPU, -1 for the CPU.
    RETURNS (List[Round]): the teachers of each round.
    RAISES (CrossnerError): an input is missing or invalid, or see `train` and `make_silver`.
    """
    rounds.check()
    silver.check(has_teachers=True)
    rounds = check_inputs(stages, rounds)
    check_pipeline(output / TRAINED)
    # Until the end, `calibrate` and `evaluate` take a pipeline of an earlier run for unfinished.
    (output / RECORD).unlink(missing_ok=True)
    run = SelfTraining(output, stages, rounds, replace(silver, domain="silver"), gpu_id)
    done = [run.teach(0, stages.pretrained)]
    while done[-1].number < rounds.rounds and (len(done) == 1 or done[-1].mean > done[-2].mean):
        student = run.learn(done[-1])
        done.append(run.teach(done[-1].number + 1, [str(student)]))
    run.finish(done)
    return done


def check_inputs(stages: StageSettings, rounds: RoundSettings) -> RoundSettings:
    """Check the inputs before the first training, and return the settings with the lists that give labels.

    A list without types is left out with a warning, and without a list also the map: DAPT may use such a list.

    RAISES (CrossnerError): there is no pipeline to continue from, a pipeline has another component or other labels than
        the first one, or a file is missing or invalid.
    """
    if not stages.pretrained or not all(stages.pretrained):
        raise CrossnerError(Errors.C524)
    for path in (stages.target_config, stages.student_config):
        if not path.is_file():
            raise CrossnerError(Errors.C009.format(path=path))
    if not rounds.raw:
        raise CrossnerError(Errors.C526)
    check_files(rounds.raw)
    # All of it, since a fault would else be found after the first teachers.
    n_blocks = sum(bool(block.strip()) for block in read_blocks(rounds.raw, label="check text"))
    if not n_blocks:
        raise CrossnerError(Errors.C616.format(names=", ".join(map(str, rounds.raw))))
    read_domain_labels(stages.labels)
    for path in (stages.train, stages.dev):
        read_docbin(path, Vocab())
    # They may also be text.
    read_excluded([stages.dev, *rounds.exclude])
    untyped = [path for path in rounds.names if first_untyped([path])]
    for path in untyped:
        msg.warn(Errors.C601.format(path=path) + " Self-training goes on without this list.")
    names = [path for path in rounds.names if path not in untyped]
    rounds = replace(rounds, names=names, type_map=rounds.type_map if names else None)
    read_weak_names(rounds.names, rounds.type_map, [])
    # Opening them checks that all have the same labels.
    for (_, pipe), model in zip(Teachers(stages.pretrained).pipelines, stages.pretrained, strict=True):
        if not isinstance(pipe, (CRFEntityRecognizer, LabelAwareEntityRecognizer)):
            raise CrossnerError(Errors.C525.format(model=model, factory=type(pipe).__name__))
    return rounds


class SelfTraining:
    """The steps of self-training; see `self_train`."""

    def __init__(
        self, output: Path, stages: StageSettings, rounds: RoundSettings, silver: SilverSettings, gpu_id: int
    ) -> None:
        self.output = output
        self.stages = stages
        self.rounds = rounds
        self.silver = silver
        self.gpu_id = gpu_id

    def teach(self, number: int, pretrained: Sequence[str]) -> Round:
        """Train the teachers of a round and calibrate them."""
        stages, folder = self.stages, self.output / f"round-{number}" / "teachers"
        ways = [folder / str(i + 1) for i in range(self.rounds.teachers)]
        overrides = self._overrides(pretrained[0])
        config = complete_config(stages.target_config, overrides)
        for i, changes in enumerate(seed_overrides(config, overrides, self.rounds.teachers)):
            msg.divider(f"Round {number}: teacher {i + 1} of {self.rounds.teachers}")
            train(
                stages.target_config,
                ways[i],
                epochs=stages.epochs,
                min_steps=stages.min_steps,
                preset=stages.preset,
                use_gpu=self.gpu_id,
                overrides={**changes, "paths.pretrained": pretrained[i % len(pretrained)]},
            )
        # A mean of pipelines that continue from different ones is of no use.
        if len(ways) > 1 and len(set(pretrained)) == 1:
            self._average(ways, folder / AVERAGE)
            ways.append(folder / AVERAGE)
        for _ in calibrate_ways(folder, stages.dev, gpu_id=self.gpu_id):
            pass
        taught = Round(number, {way: f for way, f in rank_ways(folder).items() if way in ways})
        msg.good(f"Round {number}: mean dev F1 of the teachers {100 * taught.mean:.2f}")
        return taught

    def learn(self, before: Round) -> Path:
        """Label the raw text with the teachers of a round, and train the student of the next round on it."""
        stages, rounds = self.stages, self.rounds
        number = before.number + 1
        folder = self.output / f"round-{number}"
        labelled = folder / "silver.spacy"
        msg.divider(f"Round {number}: silver labels")
        sources = Sources(
            rounds.raw,
            rounds.names,
            rounds.type_map,
            stages.train,
            [str(way / CALIBRATED) for way in sorted(before.teachers)],
            [stages.dev, *rounds.exclude],
            stages.dev,
        )
        if not is_finished(sources, labelled, self.silver):
            report = make_silver(sources, labelled, self.silver, gpu_id=self.gpu_id)
            print(report.listing.to_text())
        msg.divider(f"Round {number}: student")
        overrides = self._overrides(stages.pretrained[0])
        overrides["paths.silver"] = str(labelled)
        overrides["paths.labels"] = str(self._write_labels(folder, labelled))
        # Features of names belong to the target stage: here, the list itself may be the source of the labels.
        overrides.pop("paths.names", None)
        if not self.silver.soft:
            overrides["stage.soft"] = 0.0
        train(
            stages.student_config,
            folder / "student",
            epochs=stages.student_epochs,
            evaluations=STUDENT_EVALUATIONS,
            preset=stages.preset,
            use_gpu=self.gpu_id,
            overrides=overrides,
        )
        return folder / "student" / TRAINED

    def finish(self, done: Sequence[Round]) -> None:
        """Copy the best pipeline of the best round, and write the table of the rounds."""
        chosen = max(done, key=lambda each: each.mean)
        table = [
            {"round": each.number, "mean_dev_f": each.mean, "dev_f": {way.name: f for way, f in each.scores.items()}}
            for each in done
        ]
        digest = path_digest(chosen.best / TRAINED)
        if path_digest(self.output / TRAINED) != digest:
            with new_folder(self.output / TRAINED) as folder:
                shutil.copytree(chosen.best / TRAINED, folder, dirs_exist_ok=True)
        write_record(self.output, {"the pipeline": digest}, [TRAINED])
        write_files({self.output / TABLE: (json.dumps(table, indent=2) + "\n").encode()})
        kind = "the mean of the weights" if chosen.best.name == AVERAGE else f"teacher {chosen.best.name}"
        name = f"{kind} of round {chosen.number}"
        msg.good(f"{self.output / TRAINED}: {name}, dev F1 {100 * chosen.scores[chosen.best]:.2f}")

    def _write_labels(self, folder: Path, labelled: Path) -> Path:
        """Write the labels of the student: those of the domain, and types of the list that nothing else has."""
        labels = set(read_domain_labels(self.stages.labels))
        labels |= {ent.label_ for doc in read_docbin(labelled, Vocab()) for ent in doc.ents}
        path = folder / "labels.json"
        write_files({path: (json.dumps(sorted(labels), ensure_ascii=False) + "\n").encode("utf8")})
        return path

    def _average(self, ways: Sequence[Path], output: Path) -> None:
        """Write the mean of the weights of teachers, unless it is up to date."""
        fingerprint = {str(way.name): path_digest(way / TRAINED) for way in ways}
        fingerprint.update(version_fingerprint())
        if not is_up_to_date(output, fingerprint):
            nlp = average_pipelines([way / TRAINED for way in ways], self.gpu_id)
            with new_folder(output / TRAINED) as folder:
                nlp.to_disk(folder)
            write_record(output, fingerprint, [TRAINED])

    def _overrides(self, pretrained: str) -> Dict[str, Any]:
        stages = self.stages
        return {
            **stages.overrides,
            "paths.train": str(stages.train),
            "paths.dev": str(stages.dev),
            "paths.labels": str(stages.labels),
            "paths.pretrained": pretrained,
            "system.seed": stages.seed,
        }
