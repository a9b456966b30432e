"""Callbacks for `[initialize]` and `[training]`."""

from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional, Union, cast

from spacy.language import Language
from spacy.pipeline import EntityRecognizer
from wasabi import msg

from ..core.bridge import get_module
from ..core.component import SequenceNER
from ..core.linear import LinearTagger
from ..encoders.encoder import ARCHITECTURE as ENCODER
from ..encoders.name_features import ARCHITECTURE as NAME_FEATURES
from ..encoders.name_features import add_name_features
from ..errors import CrossnerError, Errors
from ..methods.crf.component import CRFEntityRecognizer
from ..methods.cross_lm.component import ParameterGeneratingEntityRecognizer
from ..methods.laner.component import LabelAwareEntityRecognizer
from ..methods.pdaln.teacher import make_teacher
from ..text.entities import first_untyped
from ..text.excluded import read_excluded
from .label_rows import label_directions
from .readers import DomainReader, whole_blocks
from .soft_labels import SoftLabelTeacher

# The argument of `before_update`, with the keys "step" and "epoch".
Progress = Dict[str, int]


def create_add_labels(component: str, labels: Optional[Iterable[str]]) -> Callable[[Language], None]:
    """Make a callback for `[initialize.after_init]` that adds the labels of the new domain to a sourced component.

    spaCy does not initialize sourced components, so it would not add these labels.

    component (str): the component's name. It may also be spaCy's own `ner`, the usual baseline.
    labels (Optional[Iterable[str]]): the labels. Existing labels keep their weights. None, which spaCy's `read_labels`
        returns for a missing path, is an error.
    RAISES (CrossnerError): when called, if the pipeline has no such component, or `labels` is None.
    """

    def add_labels(nlp: Language) -> None:
        pipe = dict(nlp.components).get(component)
        if not isinstance(pipe, EntityRecognizer):
            pipe = _find_component(nlp, component)
        if labels is None:
            raise CrossnerError(Errors.C010.format(name=component))
        if isinstance(pipe, EntityRecognizer):
            for label in labels:
                pipe.add_label(label)
        else:
            pipe.add_labels(labels)

    return add_labels


def create_init_label_rows(
    component: str,
    domains: Dict[str, Dict[str, Any]],
    limit: int = 0,
    seed: int = 0,
    name_share: float = 0.3,
    transitions: bool = True,
    enabled: bool = True,
) -> Callable[[Language], None]:
    """Make a callback for `[initialize.after_init]` that begins new labels from the encoder's vectors, not at random.

    It comes after `add_labels`. Only labels that were added to a trained component and not trained yet are new; without
    them it changes nothing, as in a component that was initialized just now. Their rows of the output layer get the
    directions of `label_directions` and the scale of the trained rows; see `LinearTagger.start_new_tags`. All other
    labels keep their weights.

    component (str): the name of a `crf_ner` or `label_aware_ner`.
    domains (Dict[str, Dict]): the blocks of the training corpus, as for `DomainReader`.
    limit (int): the `limit` of the training corpus, so that no other doc is read.
    seed (int): the `subset_seed` of the training corpus.
    name_share (float): share of the label's name, from 0 (gold words only) to 1 (name only). A label without gold words
        begins from its name.
    transitions (bool): whether the CRF scores of new tags begin at the means of the old tags; see
        `BioCRF.start_new_tags`.
    enabled (bool): False to change nothing.
    RAISES (CrossnerError): `name_share` is out of range; when called, if the pipeline has no such component, or it has
        new labels and is of another type.
    """
    if not 0 <= name_share <= 1:
        raise CrossnerError(Errors.C523.format(share=name_share))

    def init_label_rows(nlp: Language) -> None:
        if not enabled:
            return
        pipe = _find_component(nlp, component)
        n_new = 2 * len(pipe.untrained)
        if not n_new:
            return
        if not isinstance(pipe, (CRFEntityRecognizer, LabelAwareEntityRecognizer)):
            raise CrossnerError(Errors.C522.format(name=component, factory=type(pipe).__name__))
        blocks = whole_blocks(domains, keep_limit=True)
        examples = list(DomainReader(blocks, limit=limit, seed=seed)(nlp))
        directions, mean = label_directions(nlp, pipe, examples, name_share, seed)
        head = cast(LinearTagger, get_module(pipe.model))
        head.start_new_tags(directions[-n_new:].to(head.output.weight), mean.to(head.output.weight))
        if transitions:
            head.crf.start_new_tags(head.crf.num_tags - n_new)

    return init_label_rows


def create_add_domains(component: str, domains: Iterable[str]) -> Callable[[Language], None]:
    """Make a callback for `[initialize.after_init]` that adds the domains of the new data to a sourced `param_gen_ner`.

    component (str): the component's name.
    domains (Iterable[str]): the domains. Existing domains keep their vectors.
    RAISES (CrossnerError): when called, if the pipeline has no such component.
    """

    def add_domains(nlp: Language) -> None:
        pipe = _find_component(nlp, component)
        if not isinstance(pipe, ParameterGeneratingEntityRecognizer):
            raise CrossnerError(Errors.C058.format(name=component, factory=type(pipe).__name__))
        for domain in domains:
            pipe.add_domain(domain)

    return add_domains


def create_add_names(
    component: str,
    names: Union[str, List[str], None],
    drop: float = 0.3,
    ignore_case: bool = False,
    optional: bool = False,
) -> Callable[[Language], None]:
    """Make a callback for `[initialize.after_init]` that gives a sourced component features of names.

    The saved pipeline has the lists as a setting of its encoder, or the layer `spacy_crossner.NameFeatures.v1` above
    any other layer. Lists that the component has are replaced, and their weights begin at 0.

    component (str): the component's name.
    names (Union[str, List[str], None]): one list or several, with a name, a tab and a type on each line. None or ""
        changes nothing.
    drop (float): probability that a mention has no features in training.
    ignore_case (bool): ignore case in names and text.
    optional (bool): warn about a list without types and go on without features, instead of an error.
    RAISES (CrossnerError): when called, if the pipeline has no such spacy-crossner component, or a list cannot be read.
    """

    def add_names(nlp: Language) -> None:
        if not names:
            return
        pipe = _find_component(nlp, component)
        untyped = first_untyped([names] if isinstance(names, str) else names) if optional else None
        if untyped is not None:
            msg.warn(Errors.C601.format(path=untyped) + " Training goes on without features of names.")
            return
        model, tok2vec = pipe.model, pipe.model.get_ref("tok2vec")
        layer = add_name_features(tok2vec, model.get_dim("nI"), names, drop, ignore_case)
        model.layers[model.layers.index(tok2vec)] = layer
        model.set_ref("tok2vec", layer)
        config = nlp.get_pipe_config(component)["model"]
        below = config["tok2vec"]
        # Without the lists that it had: of a layer of their own, or of the encoder.
        if below["@architectures"] == NAME_FEATURES:
            below = below["tok2vec"]
        elif "names" in below:
            below = {**below, "names": None}
        if below["@architectures"] == ENCODER and not ignore_case:
            # Its own settings, so that a path such as `model.tok2vec.precision` stays the same.
            config["tok2vec"] = {**below, "names": names, "names_drop": drop}
            return
        above = {"@architectures": NAME_FEATURES, "names": names, "drop": drop, "ignore_case": ignore_case}
        config["tok2vec"] = {**above, "tok2vec": below}

    return add_names


def create_set_losses(component: str, losses: Dict[str, Any]) -> Callable[[Language], None]:
    """Make a callback for `[initialize.after_init]` that sets stage-specific losses of a sourced component.

    The saved pipeline keeps the losses of its config. The domains and teachers of a stage are not saved with it.

    component (str): the component's name.
    losses (Dict[str, Any]): the new loss terms (LossTerm) by name; they replace the current terms. The type is Any
        because spaCy checks types before it creates the terms.
    RAISES (CrossnerError): when called, if the pipeline has no such spacy-crossner component, or `losses` is empty.
    """

    def set_losses(nlp: Language) -> None:
        pipe = _find_component(nlp, component)
        if not losses:
            raise CrossnerError(Errors.C012.format(name=component))
        pipe.losses = dict(losses)

    return set_losses


def create_attach_teacher(component: str, every: int = 0, decay: Optional[float] = None) -> Callable[[Language], None]:
    """Make a callback for `[initialize.after_init]` that gives a component a teacher: a copy of its current state.

    component (str): the component's name.
    every (int): progressive distillation: number of updates after which the component is copied to the teacher again.
    decay (Optional[float]): mean teacher: decay of the moving average of the component's weights.
    RAISES (CrossnerError): when called, if the pipeline has no such spacy-crossner component, or see `Teacher`.
    """

    def attach_teacher(nlp: Language) -> None:
        _find_component(nlp, component).teacher = make_teacher(nlp, component, every=every, decay=decay)

    return attach_teacher


def create_attach_soft_labels(component: str) -> Callable[[Language], None]:
    """Make a callback for `[initialize.after_init]` that lets a component learn from the soft labels of its corpus.

    The loss term `Distillation` reads them. Its `domain` names the docs that have soft labels, and its `average` should
    be "tokens".

    component (str): the component's name.
    RAISES (CrossnerError): when called, if the pipeline has no such spacy-crossner component.
    """

    def attach_soft_labels(nlp: Language) -> None:
        pipe = _find_component(nlp, component)
        pipe.teacher = SoftLabelTeacher(pipe)

    return attach_soft_labels


def create_ramp_weight(
    component: str, term: str, end: float, start: float = 0.0, first: int = 0, last: int = 100
) -> Callable[[Language, Progress], None]:
    """Make a callback for `[training.before_update]` that changes the weight of a loss term linearly.

    component (str): the component's name.
    term (str): the term's name.
    end (float): the weight from step `last` on.
    start (float): the weight up to step `first`.
    first (int): first step of the change, 0 or more.
    last (int): last step of the change, above `first`.
    RAISES (CrossnerError): the steps are in the wrong order; when called, if there is no such component or term.
    """
    if not 0 <= first < last:
        raise CrossnerError(Errors.C046.format(first=first, last=last))

    def ramp_weight(nlp: Language, progress: Progress) -> None:
        losses = _find_component(nlp, component).losses
        if term not in losses:
            raise CrossnerError(Errors.C045.format(name=component, term=term, terms=", ".join(losses)))
        share = min(max(progress["step"] - first, 0) / (last - first), 1.0)
        losses[term].weight = start + share * (end - start)

    return ramp_weight


def create_keep_out(
    domains: Dict[str, Dict[str, Any]], held_out: Dict[str, Optional[Path]]
) -> Callable[[Language], None]:
    """Make a callback for `[initialize.before_init]` that rejects unlabelled text with dev or test sentences.

    A language model trained on these sentences would have seen the test set.

    domains (Dict[str, Dict]): the blocks of a `DomainReader`.
    held_out (Dict[str, Optional[Path]]): annotated DocBins by name; null values are ignored.
    RAISES (CrossnerError): when called, if an unlabelled block contains a sentence of these DocBins.
    """

    def keep_out(nlp: Language) -> None:
        paths = [Path(path) for path in held_out.values() if path]
        blocks = {name: block for name, block in domains.items() if block.get("role") == "unlabelled"}
        if not paths or not any(block.get("path") for block in blocks.values()):
            return
        texts = [example.reference.text for example in DomainReader(whole_blocks(blocks))(nlp)]
        leaks = read_excluded(paths).holding(texts)
        if leaks:
            names = ", ".join(map(str, paths))
            raise CrossnerError(Errors.C050.format(n=len(leaks), held_out=names, text=texts[leaks[0]]))

    return keep_out


def create_chain(*callbacks: Callable[..., Any]) -> Callable[..., None]:
    """Combine several callbacks into one. They are called in the order of their names in the config.

    callbacks (Callable): callbacks for the same setting.
    """

    def chain(*args: Any) -> None:
        for callback in callbacks:
            callback(*args)

    return chain


def _find_component(nlp: Language, name: str) -> SequenceNER:
    # Not `pipe_names`: spaCy disables sourced components during `after_init`.
    pipe = dict(nlp.components).get(name)
    if not isinstance(pipe, SequenceNER):
        raise CrossnerError(Errors.C008.format(name=name, names=", ".join(nlp.component_names)))
    return pipe
