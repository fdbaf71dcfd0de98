//! What is said about wrong job files, word for word.

use super::{LEAST, load, toml};

/// The messages about a job that has these lines after a right `[function]` (two lines), without the closing count.
pub fn said(lines: &str) -> String {
    let text = toml(&format!("{LEAST}{lines}")).unwrap_err().to_string();
    text.rsplit_once('\n').unwrap().0.to_owned()
}

#[test]
fn many_at_once_with_their_places() {
    let text = "# Größe ☃\r\n[funktion]\r\nmodule = \"m.wasm\"\r\n\r\n[inputs.\"größe\"]\r\nbands = \"three\"\r\npath = \"a\" # ñ\r\nresample = 1\r\n\
                nodata = { \"ü\" = 1 }\r\n\r\n[outputs]\r\na = { path = \"ü.tif\", driver = 5, nodata = \"nix\" }\r\n";
    assert_eq!(
        load("job.toml", text, &["grid.edge=mirror"]).unwrap_err().to_string(),
        "job.toml:1:1: function: missing\n  \
           hint: for example: [function]\n        module = \"ndvi.wasm\"\n\
         job.toml:2:2: funktion: unknown key\n  \
           hint: did you mean \"function\"?\n\
         job.toml:6:9: inputs.\"größe\".bands: expected a list of band numbers, found \"three\"\n\
         job.toml:8:1: inputs.\"größe\".resample: unknown key\n  \
           hint: did you mean \"resampling\"?\n\
         job.toml:9:1: inputs.\"größe\".nodata: expected a number or \"nan\", found a table\n\
         job.toml:12:32: outputs.a.driver: expected text, found 5\n\
         job.toml:12:44: outputs.a.nodata: expected a number, \"nan\" or \"none\", found \"nix\"\n\
         --set grid.edge=mirror: grid.edge: expected one of \"nodata\", \"reflect\", \"nearest\", found \"mirror\"\n\
         8 mistakes in the job"
    );
}

#[test]
fn json_too() {
    let text = "{\n  \"function\": {\"module\": null},\n  \"grid\": {\"tile\": [512], \"tiles\": 1}, \"limits\": []\n}";
    assert_eq!(
        load("job.json", text, &[]).unwrap_err().to_string(),
        "job.json:2:26: function.module: expected a path or URL, found null\n\
         job.json:3:20: grid.tile: expected the tile's size as [cols, rows], found [512]\n\
         job.json:3:27: grid.tiles: unknown key\n  \
           hint: did you mean \"tile\"?\n\
         job.json:3:50: limits: expected a table, found an empty list\n  \
           hint: write [limits] on a line of its own, its keys below\n\
         4 mistakes in the job"
    );
}

#[test]
fn unknown_keys() {
    assert_eq!(
        said("zzz = 1\n[input.red]\npath = 'x'\n[grid]\nTile = [1, 1]\n"),
        "job.toml:3:1: function.zzz: unknown key\n  hint: known keys: module, expression, cast, name, include, sha256\n\
         job.toml:4:2: input: unknown key\n  hint: did you mean \"inputs\"?\n\
         job.toml:7:1: grid.Tile: unknown key\n  hint: did you mean \"tile\"?"
    );
}

#[test]
fn inputs() {
    for (lines, message) in [
        (
            "bands = [1]",
            "3:9: inputs.a.path: missing\n  hint: for example: path = \"scene.tif\", or vector = \"fields.gpkg\"",
        ),
        ("path = 'x'\npaths = ['y']", "5:9: inputs.a.paths: contradicts `path`: give one file or a list of them"),
        ("path = ''", "4:8: inputs.a.path: expected a path or URL, found \"\""),
        ("path = ['x']", "4:8: inputs.a.path: expected a path or URL, found [\"x\"]"),
        ("paths = 'x'", "4:9: inputs.a.paths: expected a list of paths, found \"x\""),
        ("paths = []", "4:9: inputs.a.paths: expected a list of paths, found an empty list"),
        ("paths = ['x', 3]", "4:15: inputs.a.paths[1]: expected a path or URL, found 3"),
        (
            "paths = ['x', { file = 'y' }]",
            "4:15: inputs.a.paths[1].path: missing\n  hint: for example: path = \"scene.tif\"\n\
          job.toml:4:17: inputs.a.paths[1].file: unknown key\n  hint: known keys: path, bands, nodata",
        ),
        (
            "paths = [{ path = 'y', band = 2 }]",
            "4:24: inputs.a.paths[0].band: unknown key\n  hint: did you mean \"bands\"?",
        ),
        (
            "paths = [{ path = 'y', bands = [0] }]",
            "4:33: inputs.a.paths[0].bands[0]: expected a band number from 1 to 65535, found 0",
        ),
        (
            "paths = [{ path = 'y', bands = [2], nodata = [0, 1] }]\nmosaic = 'first'",
            "4:46: inputs.a.paths[0].nodata: expected one value, for one band, found 2",
        ),
        (
            "paths = ['x', { path = 'y', bands = [2] }]\nbands = [1, 2]\nnodata = [0, 1]",
            "4:15: inputs.a.paths[1].nodata: expected one value, for one band, found 2",
        ),
        (
            "paths = ['x', { path = 'y', nodata = 2 }]\nmask = 'none'",
            "4:38: inputs.a.paths[1].nodata: contradicts `mask = \"none\"`, which makes every pixel valid",
        ),
        ("path = 'x'\nbands = [1, 0]", "5:13: inputs.a.bands[1]: expected a band number from 1 to 65535, found 0"),
        ("path = 'x'\nbands = [1, 1.5]", "5:13: inputs.a.bands[1]: expected a band number from 1 to 65535, found 1.5"),
        ("path = 'x'\nnodata = 'none'", "5:10: inputs.a.nodata: expected a number or \"nan\", found \"none\""),
        (
            "path = 'x'\nnodata = 2024-01-01",
            "5:10: inputs.a.nodata: expected a number or \"nan\", found the date 2024-01-01; text needs quotes",
        ),
        (
            "path = 'x'\nnodata = 9223372036854775807",
            "5:10: inputs.a.nodata: 9223372036854775807 has no exact floating-point value, and nodata is kept as one",
        ),
        (
            "path = 'x'\nnodata = 9223372036854775808",
            "5:10: inputs.a.nodata: expected a number or \"nan\", found 9223372036854775808, which is beyond 64 bits",
        ),
        (
            "path = 'x'\nbands = [1, 2]\nnodata = [1, 2, 3]",
            "6:10: inputs.a.nodata: expected one value, or one for each of the 2 bands, found 3",
        ),
        (
            "path = 'x'\nresampling = 'near'",
            "5:14: inputs.a.resampling: expected one of \"nearest\", \"bilinear\", \"cubic\", \"cubicspline\", \"lanczos\", \"average\", \"rms\", \
             \"mode\", \"max\", \"min\", \"med\", \"q1\", \"q3\", found \"near\"\n  hint: did you mean \"nearest\"?",
        ),
        (
            "path = 'x'\ncrs = 32633",
            "5:7: inputs.a.crs: expected a CRS such as \"EPSG:28355\", WKT or a PROJ string, found 32633\n  \
             hint: write \"EPSG:32633\"",
        ),
        (
            "vector = 'v'\nunscale = true",
            "5:1: inputs.a.unscale: only for a raster input, and `vector` makes this a vector input",
        ),
        ("path = 'x'\nwhere = 'a = 1'", "5:1: inputs.a.where: only for a vector input, and there is no `vector`"),
        (
            "vector = 'v'\npath = 'x'",
            "5:1: inputs.a.path: only for a raster input, and `vector` makes this a vector input",
        ),
        (
            "vector = 'v'\nburn = 2\nburn_attribute = 'id'",
            "6:18: inputs.a.burn_attribute: contradicts `burn`: burn one value, or each feature's attribute",
        ),
        (
            "vector = 'v'\nburn = 256",
            "5:8: inputs.a.burn: 256 does not fit dtype uint8\n  hint: set `dtype` to a type that can hold it",
        ),
        (
            "vector = 'v'\nnodata = 'nan'",
            "5:10: inputs.a.nodata: nan does not fit dtype uint8\n  hint: set `dtype` to a type that can hold it",
        ),
        (
            "vector = 'v'\ncoverage = true\nall_touched = true",
            "6:15: inputs.a.all_touched: contradicts `coverage`, which measures the part of each pixel that is covered",
        ),
        (
            "vector = 'v'\ncoverage = true\ndtype = 'int32'",
            "6:9: inputs.a.dtype: contradicts `coverage`, whose bands are float64",
        ),
        ("vector = 'v'\nburn = 0", "5:8: inputs.a.burn: is the same as nodata (0): no pixel would be valid"),
        (
            "vector = 'v'\nlayer = -1",
            "5:9: inputs.a.layer: expected a layer's name, or its number from 0 to 65535, found -1",
        ),
    ] {
        assert_eq!(said(&format!("[inputs.a]\n{lines}\n")), format!("job.toml:{message}"));
    }
    assert_eq!(said("inputs = 5\n").lines().next().unwrap(), "job.toml:3:1: function.inputs: unknown key");
}

#[test]
fn outputs() {
    for (lines, message) in [
        ("", "3:10: outputs.a.path: missing\n  hint: for example: path = \"result.tif\""),
        (
            "path = 'x'\noptions = ['TILED']",
            "5:12: outputs.a.options[0]: expected an option as NAME=VALUE, found \"TILED\"",
        ),
        ("path = 'x'\nlevels = [4, 2]", "5:10: outputs.a.levels: expected levels in ascending order, found [4, 2]"),
        ("path = 'x'\nlevels = [1]", "5:11: outputs.a.levels[0]: expected a level from 2 to 65536, found 1"),
        ("path = 'x'\noverviews = false\nlevels = [2]", "6:10: outputs.a.levels: contradicts `overviews = false`"),
        (
            "path = 'x'\noverview_resampling = 'mode'",
            "5:23: outputs.a.overview_resampling: has no effect without overviews\n  hint: set `overviews = true` or `levels`",
        ),
        (
            "path = 'x'\nmetadata = { 'A=B' = 'x' }",
            "5:22: outputs.a.metadata.\"A=B\": not a name that GDAL keeps\n  hint: at least one character, and no `=`, `:` or line break",
        ),
        ("path = 'x'\nmetadata = { A = 1 }", "5:18: outputs.a.metadata.A: expected text, found 1"),
        ("path = 'x'\nstatistics = 1", "5:14: outputs.a.statistics: expected true or false, found 1"),
        ("path = 'x'\nnodata = inf", "5:10: outputs.a.nodata: expected a number, \"nan\" or \"none\", found inf"),
        (
            "path = 'x'\n[outputs.b]\npaths = ['y', '/jobs/x']",
            "6:15: outputs.b.paths[1]: the same file as outputs.a.path",
        ),
    ] {
        assert_eq!(said(&format!("[outputs.a]\n{lines}\n")), format!("job.toml:{message}"));
    }
}

#[test]
fn grid_limits_and_params() {
    for (lines, message) in [
        (
            "[grid]\ncrs = 28355",
            "4:7: grid.crs: expected a CRS such as \"EPSG:28355\", WKT or a PROJ string, found 28355\n  hint: write \"EPSG:28355\"",
        ),
        (
            "[grid]\ncrs = 'EPSG 28355'",
            "4:7: grid.crs: expected a CRS such as \"EPSG:28355\", WKT or a PROJ string, found \"EPSG 28355\"\n  hint: write \"EPSG:28355\"",
        ),
        (
            "[grid]\ncrs = 'EPSG:utm'",
            "4:7: grid.crs: expected a CRS such as \"EPSG:28355\", WKT or a PROJ string, found \"EPSG:utm\"",
        ),
        (
            "[grid]\nresolution = 10",
            "4:14: grid.resolution: expected pixel width and height as [x, y], found 10\n  hint: write [10, 10]",
        ),
        (
            "[grid]\nresolution = [10, -10]",
            "4:14: grid.resolution: expected pixel width and height, both positive, found [10, -10]",
        ),
        (
            "[grid]\nbounds = [1, 2, 3]",
            "4:10: grid.bounds: expected bounds as [xmin, ymin, xmax, ymax], found [1, 2, 3]",
        ),
        (
            "[grid]\nbounds = [10, 0, 0, 5]",
            "4:10: grid.bounds: the order is [xmin, ymin, xmax, ymax], each minimum below its maximum",
        ),
        (
            "[grid]\nbounds = [0, 10, -20, 20]",
            "4:10: grid.bounds: the order is [xmin, ymin, xmax, ymax], each minimum below its maximum\n  \
             hint: if these are [xmin, xmax, ymin, ymax], write [0, -20, 10, 20]",
        ),
        (
            "[grid]\ntolerance = 0.5",
            "4:13: grid.tolerance: expected a part of a pixel: at least 0 and less than 0.5, found 0.5",
        ),
        (
            "[grid]\ntolerance = -0.01",
            "4:13: grid.tolerance: expected a part of a pixel: at least 0 and less than 0.5, found -0.01",
        ),
        ("[grid]\ntolerance = 'nan'", "4:13: grid.tolerance: expected a number, found \"nan\""),
        ("[grid]\ntile = 512", "4:8: grid.tile: expected the tile's size as [cols, rows], found 512"),
        ("[grid]\ntile = [0, 512]", "4:9: grid.tile[0]: expected a number of pixels from 1 to 65536, found 0"),
        (
            "[grid]\nreference = 'x.tif'\ncrs = 'EPSG:4326'",
            "5:7: grid.crs: contradicts `reference`, whose grid is the working grid\n  hint: leave out `reference` or `crs`",
        ),
        (
            "[grid]\nbounds = [0, 0, 1, 1]\nextent_from = ['x.tif']",
            "5:15: grid.extent_from: contradicts `bounds`, which are the extent",
        ),
        (
            "[grid]\nfootprint = 'reference'\nbounds = [0, 0, 1, 1]",
            "5:10: grid.bounds: contradicts `footprint = \"reference\"`, which is the reference's own extent",
        ),
        (
            "[limits]\nmemory = '1GiG'",
            "4:10: limits.memory: expected a size such as \"1GiB\" or \"512 MB\", found \"1GiG\"",
        ),
        ("[limits]\nmemory = '5GiB'", "4:10: limits.memory: expected 1MiB to 4GiB, found \"5GiB\""),
        ("[limits]\nmemory = 1024", "4:10: limits.memory: expected 1MiB to 4GiB, found 1024"),
        (
            "[limits]\ntime = 60",
            "4:8: limits.time: expected a time such as \"60s\", \"500ms\", \"2m\" or \"1h\", found 60\n  hint: write \"60s\" for seconds",
        ),
        ("[limits]\ntime = '0s'", "4:8: limits.time: expected 1ms to 24h, found \"0s\""),
        ("[limits]\nfuel = -1", "4:8: limits.fuel: expected a number of instructions, 0 for unlimited, found -1"),
        ("[params]\na = [[1]]", "4:6: params.a[0]: expected true, false, a number or text, found [1]"),
        (
            "[params.a]\nb = 1",
            "3:9: params.a: expected true, false, a number, text, a list of these, or { file = \"…\" }, found a table",
        ),
        ("[params.a]\nfile = 1", "4:8: params.a.file: expected a path, found 1"),
    ] {
        assert_eq!(said(&format!("{lines}\n")), format!("job.toml:{message}"));
    }
}

#[test]
fn workers() {
    assert_eq!(
        said("[workers]\nkind = \"fargate\"\n"),
        "job.toml:3:2: workers.count: missing\n  hint: for example: count = 10\n\
         job.toml:3:2: workers.s3: missing\n  hint: for example: [workers.s3]\n        bucket = \"my-bucket\"\n\
         job.toml:3:2: workers.fargate: missing\n  hint: for example: see docs/aws"
    );
    for (lines, message) in [
        ("[workers]\ncount = 2\nmin_count = 3", "5:13: workers.min_count: 3 is more than `count`, 2"),
        (
            "[workers]\nmax_attempts = 0",
            "4:16: workers.max_attempts: expected a number of attempts from 1 to 100, found 0",
        ),
        (
            "[workers]\nlisten = '7400'",
            "4:10: workers.listen: expected an address and port such as \"0.0.0.0:7400\", found \"7400\"",
        ),
        (
            "[workers]\nadvertise = 'https://x'",
            "4:13: workers.advertise: expected an address such as \"10.0.1.17\" or \"10.0.1.17:7400\", found \"https://x\"",
        ),
        (
            "[workers.s3]\nbucket = 'My_Bucket'",
            "4:10: workers.s3.bucket: expected a bucket's name (3 to 63 lower-case letters, digits, dots and hyphens), found \"My_Bucket\"",
        ),
    ] {
        assert_eq!(said(&format!("{lines}\n")), format!("job.toml:{message}"));
    }
}

#[test]
fn ecs() {
    let shared = "image = 'i'\ntask_role_arn = 'arn:aws:iam::1:role/x'\nsubnets = ['subnet-1']\n";
    let instances = "instance_count = 1\ninstance_types = ['m7i.large']\ninstance_profile_arn = 'arn:aws:iam::1:instance-profile/x'\n";
    for (section, lines, message) in [
        (
            "fargate",
            "cpu = 1000",
            "7:7: workers.fargate.cpu: expected CPU units, one of 256, 512, 1024 (one vCPU), 2048, 4096, 8192, 16384, or such as \"2 vCPU\", found 1000",
        ),
        (
            "fargate",
            "cpu = 256\nmemory = '4GB'",
            "8:10: workers.fargate.memory: Fargate has no task with cpu 256 and 4096 MiB of memory\n  hint: cpu 256 goes with 512 MiB, 1 to 2 GB",
        ),
        (
            "fargate",
            "cpu = 8192\nmemory = 18432",
            "8:10: workers.fargate.memory: Fargate has no task with cpu 8192 and 18432 MiB of memory\n  hint: cpu 8192 goes with 16 to 60 GB in steps of 4",
        ),
        (
            "fargate",
            "cpu = 256",
            "7:7: workers.fargate.cpu: Fargate has no task with cpu 256 and 4096 MiB of memory\n  hint: cpu 256 goes with 512 MiB, 1 to 2 GB",
        ),
        (
            "fargate",
            "memory = 'lots'",
            "7:10: workers.fargate.memory: expected memory in MiB, or such as \"4GB\", found \"lots\"",
        ),
        (
            "fargate",
            "ephemeral_storage_gib = 20",
            "7:25: workers.fargate.ephemeral_storage_gib: expected a number of GiB from 21 to 200, found 20",
        ),
        (
            "fargate",
            "platform_version = '1.4'",
            "7:20: workers.fargate.platform_version: expected \"LATEST\" or a version from \"1.4.0\" on, found \"1.4\"",
        ),
        (
            "fargate",
            "log_group = '/x'",
            "3:10: workers.fargate.execution_role_arn: missing: needed to write to `log_group`\n  \
             hint: for example: execution_role_arn = \"arn:aws:iam::123456789012:role/ecsTaskExecutionRole\"",
        ),
        (
            "fargate",
            "security_groups = ['default']",
            "7:20: workers.fargate.security_groups[0]: expected an id such as \"sg-0a1b2c3d\", found \"default\"",
        ),
        (
            "fargate",
            "tags = { 'aws:x' = 'y' }",
            "7:20: workers.fargate.tags.\"aws:x\": not a tag's name\n  hint: at most 128 letters, digits, spaces and _.:/=+-@, and not `aws:` in front",
        ),
        (
            "fargate",
            "tags = { x = 1 }",
            "7:14: workers.fargate.tags.x: expected a text of at most 256 letters, digits, spaces and _.:/=+-@, found 1",
        ),
        (
            "ec2",
            "execution_role_arn = 'me'",
            "10:22: workers.ec2.execution_role_arn: expected a role's ARN such as \"arn:aws:iam::123456789012:role/NAME\", found \"me\"",
        ),
        ("ec2", "shutdown_after = '1m'", "10:18: workers.ec2.shutdown_after: expected 10m to 720h, found \"1m\""),
        (
            "ec2",
            "network_mode = 'awsvpc'\nassign_public_ip = true",
            "11:20: workers.ec2.assign_public_ip: contradicts `network_mode = \"awsvpc\"`: such tasks get no public address on EC2\n  \
             hint: use network_mode = \"host\", or a subnet with a NAT gateway",
        ),
        (
            "ec2",
            "cpu = 256",
            "10:1: workers.ec2.cpu: unknown key\n  hint: known keys: job_name, region, cluster, image, task_role_arn, execution_role_arn, subnets, security_groups, assign_public_ip, cpu_architecture, spot, log_group, hourly_price, tags, instance_count, instance_types, instance_profile_arn, ami, memory_reservation, network_mode, shutdown_after",
        ),
    ] {
        let more = if section == "ec2" { instances } else { "" };
        assert_eq!(said(&format!("[workers.{section}]\n{shared}{more}{lines}\n")), format!("job.toml:{message}"));
    }
    assert_eq!(
        said("[workers.ec2]\ninstance_types = ['big']\n").lines().filter(|l| !l.starts_with(' ')).collect::<Vec<_>>(),
        [
            "job.toml:3:10: workers.ec2.image: missing",
            "job.toml:3:10: workers.ec2.task_role_arn: missing",
            "job.toml:3:10: workers.ec2.subnets: missing",
            "job.toml:3:10: workers.ec2.instance_count: missing",
            "job.toml:3:10: workers.ec2.instance_profile_arn: missing",
            "job.toml:4:19: workers.ec2.instance_types[0]: expected an instance type such as \"c7i.2xlarge\", found \"big\"",
        ]
    );
}

#[test]
fn fargate_pairs_are_awss() {
    let right = |cpu: u32, memory: u32| {
        let text = format!(
            "{LEAST}[workers.fargate]\nimage = 'i'\ntask_role_arn = 'arn:aws:iam::1:role/x'\nsubnets = ['subnet-1']\ncpu = {cpu}\nmemory = {memory}\n"
        );
        toml(&text).is_ok()
    };
    let gib = |cpu| (0..=130 * 2).map(|half| half * 512).filter(|mib| right(cpu, *mib)).collect::<Vec<_>>();
    let steps = |from: u32, to: u32, by: usize| (from..=to).step_by(by).map(|g| g * 1024).collect::<Vec<_>>();
    assert_eq!(gib(256), [512, 1024, 2048]);
    assert_eq!(gib(512), steps(1, 4, 1));
    assert_eq!(gib(1024), steps(2, 8, 1));
    assert_eq!(gib(2048), steps(4, 16, 1));
    assert_eq!(gib(4096), steps(8, 30, 1));
    assert_eq!(gib(8192), steps(16, 60, 4));
    assert_eq!(gib(16384), steps(32, 120, 8));
}

#[test]
fn overrides() {
    let hint =
        "\n  hint: an override looks like `--set grid.tile=[512,512]`; text needs no quotes\n1 mistake in the job";
    for (argument, message) in [
        ("grid", "there is no `=` after the key"),
        ("=1", "there is no key before the `=`"),
        ("grid tile=1", "there is no key before the `=`"),
        ("grid.tile=[1", "grid.tile: the value is not TOML: unclosed array, expected `]`"),
        ("function.module.x=1", "function.module: the job file has \"m.wasm\" here, which holds no keys"),
    ] {
        let said = load("job.toml", LEAST, &[argument]).unwrap_err().to_string();
        assert_eq!(said, format!("--set {argument}: {message}{hint}"));
    }
    let said = load("job.toml", LEAST, &["grid.tile=512", "grids=1"]).unwrap_err().to_string();
    assert_eq!(
        said,
        "--set grid.tile=512: grid.tile: expected the tile's size as [cols, rows], found 512\n\
         --set grids=1: grids: unknown key\n  hint: did you mean \"grid\"?\n2 mistakes in the job"
    );
}
