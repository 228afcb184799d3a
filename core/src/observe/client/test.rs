use super::*;

/// Bug: a sample took any time from an other end that says a little now and then. Cause: the limit was each read's. Fix:
/// one deadline for all of them.
#[test]
fn who_speaks_too_slowly_is_not_waited_for() {
    let (asks, mut answers) = UnixStream::pair().unwrap();
    let drips = std::thread::spawn(move || while answers.write_all(b".").is_ok() {});
    let mut connection = Connection { path: PathBuf::new(), stream: BufReader::new(asks) };
    let error = connection.ask(Duration::from_millis(20)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    drop(connection);
    drips.join().unwrap();
}
