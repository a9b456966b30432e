"""The training loop of an adaptation, with evaluations, log and checkpoints."""

from timeit import default_timer as timer

from tqdm import tqdm
from wasabi import msg

from .adaptation import Adaptation
from .checkpoint import DaptCheckpoints
from .log import LossLog, perplexity


def start_or_resume(adaptation: Adaptation, checkpoints: DaptCheckpoints, log: LossLog, *, resume: bool) -> int:
    """Resume from the last checkpoint of this run if there is one and `resume` is set. Otherwise start at step 0.

    RETURNS (int): the step of the checkpoint; 0 without a checkpoint.
    """
    is_main = adaptation.accelerator.is_main_process
    saved = checkpoints.read() if resume and is_main else None
    adaptation.restore(saved)
    if is_main and not saved:
        checkpoints.remove()
    log.start(adaptation.step)
    if is_main and adaptation.step:
        msg.info(f"Training resumes after {adaptation.step} steps from the checkpoint in {checkpoints.folder}")
    return adaptation.step


def run_steps(adaptation: Adaptation, checkpoints: DaptCheckpoints, log: LossLog) -> float:
    """Take the remaining steps, with evaluations on held-out text, log rows and checkpoints in between.

    RETURNS (float): seconds of the training steps.
    """
    settings, is_main = adaptation.settings, adaptation.accelerator.is_main_process
    tokens_of_step = settings.batch_size * settings.block_size
    first, total, seconds = adaptation.step, adaptation.total_steps, 0.0

    def evaluate() -> None:
        loss = adaptation.evaluate()
        row = {"step": adaptation.step, "tokens": adaptation.step * tokens_of_step, "held_out_loss": loss}
        log.write({**row, "perplexity": perplexity(loss)})
        if is_main:
            tqdm.write(f"Step {adaptation.step}: held-out loss {loss:.4f}, perplexity {perplexity(loss):.2f}")

    if first == 0:
        evaluate()
    since = timer()
    # `disable=None` shows the bar on a terminal only.
    with tqdm(initial=first, total=total, desc="adapt", unit=" steps", disable=None if is_main else True) as bar:
        for batch in adaptation.batches():
            rate, phase = adaptation.rate, "head" if adaptation.is_head_phase else "all"
            adaptation.take_step(batch)
            step = adaptation.step
            bar.update()
            if step % settings.log_every == 0 or step == total:
                loss = adaptation.mean_loss()
                speed = (step - first) * tokens_of_step / max(seconds + timer() - since, 1e-9)
                row = {"step": step, "tokens": step * tokens_of_step, "phase": phase, "loss": loss, "rate": rate}
                log.write({**row, "tokens_per_second": round(speed)})
                bar.set_postfix_str(f"loss {loss:.3f}, {speed:,.0f} tokens/s")
            is_evaluated = step in (adaptation.head_steps, total) or step % settings.eval_every == 0
            is_saved = step % settings.save_every == 0
            if is_evaluated or is_saved:
                seconds += timer() - since
                if is_evaluated:
                    evaluate()
                if is_saved:
                    state = adaptation.save()
                    if is_main:
                        checkpoints.write(state)
                since = timer()
    return seconds + timer() - since
