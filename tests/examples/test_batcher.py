"""The batcher of the example service, without a server."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest


def run_batcher(serve, use, **settings):
    """Run a function of a batcher, whose worker counts the texts before it, and return the batches."""
    batches = []

    def annotate(rows):
        batches.append([row.text for row in rows])
        assert threading.current_thread().name == "worker_0"
        return [{"text": row.text, "place": row.place} for row in rows]

    async def main():
        with ThreadPoolExecutor(1, thread_name_prefix="worker") as executor:
            batcher = serve.Batcher(executor, **{"most_waiting": 9, "most_texts": 4, "seconds": 0.0, **settings})
            work = asyncio.create_task(batcher.work(annotate))
            await asyncio.wait_for(use(batcher), 30)
            batcher.close()
            batcher.close()
            await asyncio.wait_for(work, 30)

    asyncio.run(main())
    return batches


def test_batches_have_what_waits_up_to_a_limit(serve):
    async def use(batcher):
        found = await asyncio.gather(*(batcher.submit([f"{i}a", f"{i}b", f"{i}c"]) for i in range(3)))
        assert [[record["text"] for record in each] for each in found] == [[f"{i}{j}" for j in "abc"] for i in range(3)]
        assert [record["place"] for record in found[2]] == ["texts[0]", "texts[1]", "texts[2]"]

    assert run_batcher(serve, use) == [["0a", "0b", "0c", "1a"], ["1b", "1c", "2a", "2b"], ["2c"]]


@pytest.mark.parametrize(("seconds", "batches"), [(0.0, [["a"], ["b"]]), (20.0, [["a", "b"]])])
def test_the_first_text_of_a_batch_waits_for_others(serve, seconds, batches):
    async def use(batcher):
        first = asyncio.create_task(batcher.submit(["a"]))
        await asyncio.sleep(0.05)
        # 20 seconds are not over: the batch is full.
        await asyncio.gather(first, batcher.submit(["b"]))

    assert run_batcher(serve, use, seconds=seconds, most_texts=2) == batches


def test_a_batch_that_waits_is_annotated_when_the_queue_is_closed(serve):
    async def use(batcher):
        first = asyncio.create_task(batcher.submit(["a"]))
        await asyncio.sleep(0.05)
        batcher.close()
        assert [record["text"] for record in await first] == ["a"]

    assert run_batcher(serve, use, seconds=20.0) == [["a"]]


def test_a_cancelled_request_leaves_the_others(serve):
    async def use(batcher):
        first = asyncio.create_task(batcher.submit(["a"]))
        second = asyncio.create_task(batcher.submit(["b"]))
        await asyncio.sleep(0)
        first.cancel()
        assert [record["text"] for record in await second] == ["b"]
        assert [record["text"] for record in await batcher.submit(["c"])] == ["c"]
        assert first.cancelled()

    assert run_batcher(serve, use)[-1] == ["c"]
