#!/usr/bin/env python3
"""Scores what the example jitter_table has left in a folder: PESQ (ITU-T P.862.2, wideband) of each file against said.wav.

    python3 -m venv FOLDER && FOLDER/bin/pip install pesq scipy
    FOLDER/bin/python benches/score.py WAVS

The files are cut into pieces of eight seconds, each found again by correlation, and the mean of the pieces is printed, as rows of
Markdown: ours, and neteq's. The speech is narrowband and the measure wideband, so that no file can get more than about 4.5, and only
the difference between two rows of one network says much.
"""

import sys
from pathlib import Path

import numpy
from pesq import pesq
from scipy.io import wavfile
from scipy.signal import correlate, resample_poly

PIECE = 8
MOST_DELAY = 1


def read(path):
    rate, samples = wavfile.read(path)
    assert rate == 8_000, path
    return samples.astype(numpy.float64)


def score(said, heard):
    """The mean over pieces; a piece of which nothing is found counts as the worst score there is."""
    rate, scores = 8_000, []
    for at in range(0, len(said) - (PIECE + MOST_DELAY) * rate, PIECE * rate):
        piece = said[at : at + PIECE * rate]
        window = heard[at : at + (PIECE + MOST_DELAY) * rate]
        delay = int(numpy.argmax(correlate(window, piece, mode="valid")))
        found = window[delay : delay + len(piece)]
        wide = [numpy.clip(resample_poly(it, 2, 1), -32_768, 32_767).astype(numpy.int16) for it in (piece, found)]
        try:
            scores.append(pesq(2 * rate, wide[0], wide[1], "wb"))
        except Exception:
            scores.append(1.0)
    return sum(scores) / len(scores)


def main():
    folder = Path(sys.argv[1])
    said = read(folder / "said.wav")
    print("| network | PESQ-WB: ours | neteq | more by |\n|---|---|---|---|")
    for path in sorted(folder.glob("*-ours.wav"), key=lambda it: it.stat().st_mtime_ns):
        name = path.name.removesuffix("-ours.wav")
        ours, theirs = (score(said, read(folder / f"{name}-{whose}.wav")) for whose in ("ours", "neteq"))
        print(f"| {name} | {ours:.2f} | {theirs:.2f} | {ours - theirs:+.2f} |")


if __name__ == "__main__":
    main()
