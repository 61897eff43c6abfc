"""Reads the event files of a run with TensorBoard's own code and compares them with curves.jsonl.

Needs the package `tensorboard`. Usage: python scripts/check/event_files.py RUN
"""

import json
import pathlib
import sys

from tensorboard.backend.event_processing import event_file_loader


def main(run: pathlib.Path) -> None:
    found = {}
    (path,) = (run / "tensorboard").glob("events.out.tfevents.*")
    events = list(event_file_loader.LegacyEventFileLoader(str(path)).Load())
    assert events[0].file_version == "brain.Event:2", events[0]
    for event in events[1:]:
        for value in event.summary.value:
            assert (value.tag, event.step) not in found, (value.tag, event.step)
            found[value.tag, event.step] = (value.simple_value, event.wall_time)
    n_passes = 0
    for line in (run / "curves.jsonl").read_text().splitlines():
        record = json.loads(line)
        place = f"{record['domain']}/{record['expert']}"
        place += " (fitted again)" if record["stage"] == "refit" else ""
        expected = {"loss": record["loss"], "seconds": record["seconds"], "valid ndcg@10": record["metric"]}
        for name, number in expected.items():
            if number is None:
                continue
            value, wall_time = found.pop((f"{name}/{place}", record["pass"]))
            assert abs(value - number) <= 1e-6 * max(1.0, abs(number)), (name, place, value, number)
            assert abs(wall_time - record["ended"]) < 1e-3
        n_passes += 1
    assert n_passes > 0 and all(tag.startswith("test ndcg@10/") for tag, _ in found), sorted(found)
    print(f"{n_passes} passes and {len(found)} test figures are as written")


main(pathlib.Path(sys.argv[1]))
