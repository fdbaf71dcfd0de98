"""Writes the benchmark's results into docs/performance.md, between its marks, and draws docs/performance.png."""

import textwrap
from statistics import median

from suite import JOBS, OUTPUTS, ratios, say

START, END = "<!-- results: written by bench/run.py -->\n", "<!-- end of results -->\n"
NAMES = {
    "twin": "native twin",
    "tilefn": "**tilefn**",
    "tilefn-reading": "tilefn, 2 processes that read",
    "tilefn-sent": "tilefn, 2 processes that are sent pixels",
    "rasterio": "rasterio",
    "rios": "RIOS, 2 threads",
    "rios-reading": "RIOS, 2 processes that read",
    "rios-sent": "RIOS, 2 processes that are sent pixels",
    "gdal_calc": "gdal_calc",
}
COLOURS = {
    "twin": "#888888",
    "tilefn": "#1b7837",
    "tilefn-reading": "#5aae61",
    "tilefn-sent": "#a6dba0",
    "rasterio": "#5e81b5",
    "rios": "#b5835e",
    "rios-reading": "#cfa98a",
    "rios-sent": "#e6cfbb",
    "gdal_calc": "#c0a0c0",
}


def table(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def job_table(runs):
    rows = []
    for tool, measured in runs.items():
        wall = ratios(measured, runs["twin"], "wall")
        rows.append([
            NAMES[tool],
            f"{median(r.wall for r in measured):.2f}",
            f"{median(wall):.2f} ({min(wall):.2f}–{max(wall):.2f})",
            f"{median(r.cpu for r in measured):.2f}",
            f"{median(ratios(measured, runs['twin'], 'cpu')):.2f}",
            f"{median(r.rss for r in measured):.0f}",
            f"{median(r.size for r in measured):.0f}",
        ])  # fmt: skip
    return table(["", "wall s", "wall ÷ twin", "processor s", "processor ÷ twin", "peak MB", "file MB"], rows)


def overhead_table(overhead):
    start = overhead["start"]
    rows = [
        [
            f"{r['tile']}²",
            r["tiles"],
            f"{r['twin']['cpu']:.2f}",
            f"{r['tilefn']['cpu']:.2f}",
            f"{r['extra']['cpu']:.0f}",
        ]
        for r in overhead["rows"]
    ]
    return (
        table(["tile", "tiles", "twin, processor s", "tilefn, processor s", "µs a tile more"], rows)
        + f"\nThe start of the program, with a raster of one small tile, takes {start['tilefn']['wall'] * 1e3:.0f} ms "
        f"(the twin {start['twin']['wall'] * 1e3:.0f} ms); it is taken off above.\n"
    )


def draw(path, results):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    codecs = list(dict.fromkeys(codec for _, codec in results))
    figure, axes = plt.subplots(1, len(codecs), figsize=(7.5 * len(codecs), 4), sharey=True, squeeze=False)
    for axis, codec in zip(axes[0], codecs):
        jobs = [name for name, c in results if c == codec]
        for place, name in enumerate(jobs):
            runs = results[name, codec]
            width = 0.8 / len(runs)
            for i, (tool, measured) in enumerate(runs.items()):
                height = median(ratios(measured, runs["twin"], "wall"))
                x = place + (i - (len(runs) - 1) / 2) * width
                bar = axis.bar(x, height, width * 0.92, color=COLOURS[tool], label=NAMES[tool].strip("*"))
                axis.bar_label(bar, fmt="%.1f", fontsize=7)
        axis.set_xticks(range(len(jobs)), [textwrap.fill(JOBS[name].title, 12) for name in jobs], fontsize=8)
        axis.set_title(OUTPUTS[codec], fontsize=10)
        axis.set_yscale("log")
        axis.axhline(1, color="black", linewidth=0.6)
    axes[0][0].set_ylabel("wall time ÷ native twin")
    labels = {label: handle for a in axes[0] for handle, label in zip(*a.get_legend_handles_labels())}
    figure.legend(labels.values(), labels.keys(), ncols=len(labels), loc="lower center", fontsize=8, frameon=False)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    figure.savefig(path, dpi=150)


def write(docs, results, overhead, missing, machine, load, size, turns):
    text = f"Machine: {machine}. Load average before the first run: {load:.1f}. Medians of {turns} runs each.\n"
    for tool, reason in missing.items():
        text += f"\nNot measured: {NAMES[tool].strip('*')}, because {reason}.\n"
    text += "\n![Wall time relative to the native twin](performance.png)\n"
    for (name, codec), runs in results.items():
        job = JOBS[name]
        text += f"\n### {job.title}, {size // job.divisor}², {OUTPUTS[codec]}\n\n{job_table(runs)}"
    if overhead:
        text += f"\n### What a tile costs\n\n{overhead_table(overhead)}"
    page = docs / "performance.md"
    before, _, rest = page.read_text().partition(START)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{START}\n{text}\n{END}{after}")
    draw(docs / "performance.png", results)
    say(f"wrote {page} and performance.png")
