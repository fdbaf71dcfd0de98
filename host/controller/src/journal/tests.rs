use super::file::MAX_BYTES;
use super::*;
use crate::locks::digest;
use crate::ranges::Ranges;
use raster::Unfinished;
use types::tally::Tally;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn grounds(state: &str) -> Vec<Ground> {
    vec![Ground { what: "input a: a.tif".into(), state: state.into() }]
}

fn open(folder: &tempfile::TempDir, resume: bool) -> Result<Journal, JournalError> {
    open_with(folder, grounds("1 byte"), resume)
}

fn open_with(folder: &tempfile::TempDir, grounds: Vec<Ground>, resume: bool) -> Result<Journal, JournalError> {
    let locks = vec![folder.path().join("lock")];
    Journal::open(folder.path().join("journal"), locks, grounds, false, resume)
}

/// The output's path, and a folder that is its own.
fn output(folder: &tempfile::TempDir) -> (String, String) {
    let path = folder.path().join("x.tif").to_string_lossy().into_owned();
    let own = format!(".x.tif.tilefn-{}-abc", &digest(&path)[..8]);
    (path, own)
}

fn progress(path: &str, folder: &str) -> Progress {
    let mut done = Ranges::default();
    for tile in [0, 1, 5] {
        done.insert(tile);
    }
    let at = Unfinished { folder: folder.into(), head: [7; 16] };
    Progress {
        done,
        files: vec![vec![FileState::Unfinished { path: path.into(), bands: 3, at }]],
        reduction: None,
        tally: Tally::default(),
    }
}

#[test]
fn a_run_that_was_killed_while_it_wrote_leaves_nothing_for_good() {
    let folder = folder();
    for noted in [false, true] {
        std::fs::write(folder.path().join("journal.new"), "{\"vers").unwrap();
        let mut journal = open(&folder, false).unwrap();
        if noted {
            journal.begin([512, 256], Vec::new()).unwrap();
        }
        journal.remove();
        let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| name == "lock"), "{left:?}");
    }
}

#[test]
fn what_was_written_is_gone_on_with() {
    let folder = folder();
    let (path, own) = output(&folder);
    let mut journal = open(&folder, false).unwrap();
    journal.begin([512, 256], Vec::new()).unwrap();
    journal.write(progress(&path, &own), Instant::now()).unwrap();
    assert!(matches!(open(&folder, true), Err(JournalError::Busy(_))));
    drop(journal);
    let journal = open(&folder, true).unwrap();
    assert_eq!((journal.progress(), journal.tile()), (&progress(&path, &own), [512, 256]));
    journal.check(6, &[vec![&path]], false).unwrap();
    for (tiles, outputs, accumulates) in [
        (5, vec![vec![&*path]], false),
        (6, vec![vec!["y.tif"]], false),
        (6, vec![], false),
        (6, vec![vec![&*path]], true),
    ] {
        assert!(journal.check(tiles, &outputs, accumulates).is_err(), "{tiles} {outputs:?} {accumulates}");
    }
}

#[test]
fn what_has_changed_is_named() {
    let folder = folder();
    let mut journal = open(&folder, false).unwrap();
    journal.begin([1, 1], Vec::new()).unwrap();
    journal.write(progress("x", "y"), Instant::now()).unwrap();
    drop(journal);
    let since = "since the run that is to be resumed";
    let text = |grounds| open_with(&folder, grounds, true).unwrap_err().to_string();
    let changed = text(grounds("2 bytes"));
    assert!(changed.starts_with(&format!("input a: a.tif has changed {since} (2 bytes; then 1 byte); ")), "{changed}");
    assert!(text(Vec::new()).starts_with(&format!("input a: a.tif is gone {since} (1 byte); ")));
    let more = grounds("1 byte").into_iter().chain([Ground { what: "b".into(), state: "c".into() }]).collect();
    assert!(text(more).starts_with(&format!("b is new {since} (c); ")));
    let many = (0..20).map(|n| Ground { what: n.to_string(), state: String::new() }).collect();
    assert!(text(many).contains("\nand 13 more; "));
    assert_eq!(open(&folder, true).unwrap().progress().done.len(), 3);
}

/// Whoever wrote the journal, only a folder that is this very output's goes.
#[test]
fn starting_afresh_removes_what_is_this_jobs_and_nothing_else() {
    let folder = folder();
    let (path, own) = output(&folder);
    let digest = own.strip_suffix("abc").unwrap();
    std::fs::create_dir(folder.path().join("victim")).unwrap();
    std::fs::create_dir(folder.path().join(&own)).unwrap();
    std::os::unix::fs::symlink(folder.path().join("victim"), folder.path().join(format!("{digest}link"))).unwrap();
    let hostile = [
        "victim".to_owned(),
        format!("{digest}/../victim"),
        format!("{digest}abc/../../victim"),
        folder.path().join("victim").to_string_lossy().into_owned(),
        format!("{digest}link"),
        digest.to_owned(),
        String::new(),
        ".victim.tilefn-00000000-abc".into(),
    ];
    std::fs::create_dir(folder.path().join(".victim.tilefn-00000000-abc")).unwrap();
    let mut journal = open(&folder, false).unwrap();
    let state = |path: &str, folder: &str| FileState::Empty { path: path.into(), folder: Some(folder.into()) };
    let mut files: Vec<_> = hostile.iter().map(|name| state(&path, name)).collect();
    files.push(state(&path, &own));
    // Another output's, of which this job knows nothing.
    files.push(state("/somewhere/y.tif", ".y.tif.tilefn-00000000-abc"));
    journal.begin([1, 1], vec![files]).unwrap();
    drop(journal);
    let mut journal = open(&folder, true).unwrap();
    assert!(!journal.has_checkpoint());
    let stays = journal.clear(&[vec![&path]]);
    assert_eq!(stays, [".y.tif.tilefn-00000000-abc"]);
    assert!(!folder.path().join(own).exists());
    for there in ["victim", ".victim.tilefn-00000000-abc"] {
        assert!(folder.path().join(there).is_dir(), "{there}");
    }
}

#[test]
fn nonsense_is_an_error_that_names_it() {
    let folder = folder();
    let path = folder.path().join("journal");
    let mut journal = open(&folder, false).unwrap();
    journal.begin([1, 1], Vec::new()).unwrap();
    journal.write(progress("x", "y"), Instant::now()).unwrap();
    drop(journal);
    let good = std::fs::read_to_string(&path).unwrap();
    let broken = [
        "{".to_owned(),
        "{}".into(),
        good.replace("\"version\":2", "\"version\":1"),
        good.replace("\"len\":3", "\"len\":4"),
        good.replace("\"5\":6", "\"5\":18446744073709551615"),
        good.replace("\"is\":\"unfinished\"", "\"is\":\"lost\""),
        good.replace("\"tile\":[1,1]", "\"tile\":[0,7]"),
        format!("{good}more"),
        good.replace("\"reduction\":null", "\"reduction\":{\"next\":1,\"state\":18446744073709551615,\"waiting\":[]}"),
    ];
    for text in broken {
        assert_ne!(text, good);
        std::fs::write(&path, &text).unwrap();
        let error = open(&folder, true).unwrap_err().to_string();
        assert!(error.starts_with(&format!("the journal {}: ", path.display())), "{error}");
        // Who starts afresh doesn't need it.
        open(&folder, false).unwrap();
    }
    std::fs::File::create(&path).unwrap().set_len(MAX_BYTES + 1).unwrap();
    assert!(open(&folder, true).is_err());
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(open(&folder, true).is_err());
    std::fs::remove_dir(&path).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(open(&folder, true).is_err(), "not waited for");
}

/// What was never brought to the disk is worth nothing once the machine has started again.
#[test]
fn a_journal_of_before_the_machine_failed() {
    let folder = folder();
    let mut journal = open(&folder, false).unwrap();
    journal.begin([1, 1], Vec::new()).unwrap();
    journal.note(progress("x", "y"), false).unwrap();
    drop(journal);
    assert_eq!(open(&folder, true).unwrap().progress().done.len(), 3);
    let path = folder.path().join("journal");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace(&boot().unwrap(), "another")).unwrap();
    assert!(!open(&folder, true).unwrap().has_checkpoint());
}

#[test]
fn one_that_cannot_be_written_leaves_the_one_before() {
    let folder = folder();
    let mut journal = open(&folder, false).unwrap();
    journal.begin([1, 1], Vec::new()).unwrap();
    journal.write(progress("x", "y"), Instant::now()).unwrap();
    let mut more = progress("x", "y");
    more.done.insert(7);
    // A folder in its place stands for all that can be in the way.
    let path = folder.path().join("journal");
    let kept = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("x"), "").unwrap();
    journal.write(more, Instant::now()).unwrap_err();
    assert_eq!(journal.progress().done.len(), 3);
    std::fs::remove_dir_all(&path).unwrap();
    std::fs::write(&path, kept).unwrap();
    drop(journal);
    assert_eq!(open(&folder, true).unwrap().progress().done.len(), 3);
}
