//! The examples at the end of each command's `--help` and page of the manual. A test compares their options with the commands'.

use clap::Command;

/// Commands and their examples. Those that a build is without are passed over.
const EXAMPLES: &[(&str, &[&str])] = &[
    ("new", &["tilefn new ndvi --python", "tilefn new slope --parent functions"]),
    (
        "run",
        &[
            "tilefn run job.toml",
            "tilefn run job.toml --dry-run",
            "tilefn run job.toml --set params.radius=3 --workers processes:4 --overwrite",
            "tilefn run job.toml --each 'scenes/*.tif' --report 'reports/{stem}.json'",
        ],
    ),
    (
        "submit",
        &[
            "tilefn submit job.toml --dashboard 8080",
            "tilefn submit job.toml --workers fargate:20 --report report.json",
        ],
    ),
    ("status", &["tilefn status ndvi-1f3a --bucket my-bucket"]),
    ("logs", &["tilefn logs ndvi-1f3a --job job.toml"]),
    ("cancel", &["tilefn cancel ndvi-1f3a --job job.toml"]),
    ("gc", &["tilefn gc --job job.toml", "tilefn gc --job job.toml --delete"]),
    (
        "calc",
        &[
            r#"tilefn calc -i red=scene.tif:3 -i nir=scene.tif:4 "(nir - red) / (nir + red)" -o ndvi.tif"#,
            r#"tilefn calc -i dates=dates/*.tif "median(dates)" -o median.tif --type uint16"#,
        ],
    ),
    ("zonal", &["tilefn zonal --zones fields.gpkg --by id --values scene.tif --stats mean,median -o fields.csv"]),
    ("info", &["tilefn info scene.tif", "tilefn info dem.tif --onto scene.tif"]),
    ("diff", &["tilefn diff ndvi.tif ndvi-before.tif --tolerance 1e-6"]),
    (
        "preview",
        &["tilefn preview scene.tif -o scene.png --bands 4,3,2", "tilefn preview dem.tif -o dem.png --ramp viridis"],
    ),
    ("stats", &["tilefn stats ndvi.tif", "tilefn stats scenes/*.tif --overviews average"]),
    ("rat", &["tilefn rat cover.tif", "tilefn rat cover.tif --set-from owners.csv --by Value"]),
    ("schema", &["tilefn schema > job.schema.json"]),
    (
        "build",
        &[
            "tilefn build ndvi",
            r#"tilefn build --expression "(nir - red) / (nir + red)" -i red:uint16 -i nir:uint16 -o ndvi.wasm"#,
        ],
    ),
    ("inspect", &["tilefn inspect ndvi.wasm", "tilefn inspect classify.py --include model"]),
    ("python install", &["tilefn python install"]),
    ("python list", &["tilefn python list"]),
    ("python remove", &["tilefn python remove"]),
    ("aws init", &["tilefn aws init stack.json --kind ec2"]),
    ("worker", &["tilefn worker --ticket job.ticket --threads 4"]),
    ("completions", &["tilefn completions bash > ~/.local/share/bash-completion/completions/tilefn"]),
    ("man", &["tilefn man ~/.local/share/man/man1"]),
];

/// The program's commands with their examples.
pub fn add(mut program: Command) -> Command {
    for (name, examples) in EXAMPLES {
        let found = name.split(' ').try_fold(&mut program, |command, name| command.find_subcommand_mut(name));
        if let Some(command) = found {
            let text = examples.iter().fold("Examples:".to_owned(), |text, example| text + "\n  " + example);
            *command = std::mem::take(command).after_help(text);
        }
    }
    program
}
