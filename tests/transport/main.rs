//! What a connection promises, against a real sshd on loopback.

mod sshd;

use sshd::{Sshd, keygen, listening, options, public, script, target};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use trueup::model::secret::Secret;
use trueup::shell::frame::{Frame, FrameError, Limits};
use trueup::transport::{Connection as _, Target, TransportError, ssh};

fn text(frames: &[Frame], n: usize) -> String {
    String::from_utf8_lossy(&frames[n].body).trim().to_owned()
}

async fn refused(target: &Target, options: ssh::SshOptions) -> TransportError {
    match ssh::connect(target, &Arc::new(options)).await {
        Ok(_) => panic!("the host was let through"),
        Err(error) => error,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_shell_takes_script_after_script_and_a_large_body_beside_them() {
    let host = Sshd::start();
    let mut connection = ssh::connect(&host.target(), &host.options()).await.unwrap();
    let mut frames: Vec<Frame> = vec![];
    connection.run(&script(&["echo $PPID", "exit 3"]), &mut frames).await.unwrap();
    connection.run(&script(&["echo $PPID"]), &mut frames).await.unwrap();
    assert_eq!((frames[1].status, text(&frames, 0)), (3, text(&frames, 2)));
    let body = vec![0xa5; 5 << 20];
    let mut fed: Vec<Frame> = vec![];
    connection.feed(&listening("wc -c"), &mut &body[..], &mut fed).await.unwrap();
    assert_eq!(text(&fed, 0), body.len().to_string());
    connection.run(&script(&["echo still there"]), &mut frames).await.unwrap();
    assert_eq!(text(&frames, 3), "still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_key_on_record_is_accepted() {
    let host = Sshd::start();
    let other = public(&keygen(host.dir(), "other", ""));
    let name = format!("[127.0.0.1]:{}", host.port);
    let none = || Box::new(|_: &std::path::Path| None);
    let error = refused(&host.target(), options("", none())).await;
    assert!(matches!(error, TransportError::UnknownHostKey { .. }), "{error}");
    let error = refused(&host.target(), options(&format!("{name} {other}\n"), none())).await;
    assert!(
        matches!(&error, TransportError::ChangedHostKey { known_at, .. } if known_at == "known_hosts:1"),
        "{error}"
    );
    let error = refused(&host.target(), options(&format!("@revoked * {}", &host.record()[name.len()..]), none())).await;
    assert!(matches!(error, TransportError::RevokedHostKey { .. }), "{error}");

    // A key of another kind is not even asked for, and that is no matter of an unreachable host.
    let ecdsa = host.dir().join("ecdsa");
    let made =
        std::process::Command::new("ssh-keygen").args(["-q", "-t", "ecdsa", "-N", "", "-f"]).arg(&ecdsa).output();
    assert!(made.unwrap().status.success());
    let error = refused(&host.target(), options(&format!("{name} {}\n", public(&ecdsa)), none())).await;
    assert!(matches!(&error, TransportError::OtherHostKey { offered, .. } if offered.contains("ed25519")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_put_on_record_beside_what_is_there() {
    let host = Sshd::start();
    let path = host.dir().join("known_hosts");
    let before = format!("elsewhere {}", public(&keygen(host.dir(), "other", "")));
    std::fs::write(&path, &before).unwrap();
    let mut new = options("", Box::new(|_| None));
    new.accept_new = Some(path.clone());
    ssh::connect(&host.target(), &Arc::new(new)).await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{before}\n{}", host.record()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_is_asked_for_once() {
    let host = Sshd::start();
    let key = keygen(host.dir(), "locked", "open sesame");
    host.authorize(&key);
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    let options = Arc::new(options(
        &host.record(),
        Box::new(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Some(Secret::new("open sesame"))
        }),
    ));
    let target = target(host.port, key);
    let (one, two) = tokio::join!(ssh::connect(&target, &options), ssh::connect(&target, &options));
    one.and(two).unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_and_a_hang_are_cut_off() {
    let host = Sshd::start();
    let mut frames: Vec<Frame> = vec![];
    let mut flood = script(&["yes"]);
    flood.limits = Limits { frame: 1 << 20, ..flood.limits };
    let mut connection = ssh::connect(&host.target(), &host.options()).await.unwrap();
    let error = connection.run(&flood, &mut frames).await.unwrap_err();
    assert!(matches!(error, TransportError::Frame(FrameError::FrameTooLarge { .. })), "{error}");

    let mut hang = script(&["echo begun; exec sleep 600"]);
    hang.limits.idle = Duration::from_secs(1);
    let mut connection = ssh::connect(&host.target(), &host.options()).await.unwrap();
    let error = connection.run(&hang, &mut frames).await.unwrap_err();
    assert!(matches!(error, TransportError::Idle { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_login_shell_says_is_no_answer() {
    let noisy = "ForceCommand printf 'Welcome!\\nno end of line'; printf 'a warning\\n' >&2; exec sh -c \"$SSH_ORIGINAL_COMMAND\"";
    let host = Sshd::with(noisy);
    let mut connection = ssh::connect(&host.target(), &host.options()).await.unwrap();
    let mut frames: Vec<Frame> = vec![];
    connection.run(&script(&["echo one"]), &mut frames).await.unwrap();
    assert_eq!(text(&frames, 0), "one");

    let host = Sshd::with("ForceCommand echo 'this account is closed' >&2; exit 1");
    let mut connection = ssh::connect(&host.target(), &host.options()).await.unwrap();
    let error = connection.run(&script(&["echo one"]), &mut frames).await.unwrap_err();
    assert!(error.to_string().contains("this account is closed"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_refuses_or_never_speaks_is_given_up_in_time() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let start = Instant::now();
    let error = refused(&target(port, "none".into()), options("", Box::new(|_| None))).await;
    assert!(matches!(error, TransportError::Connect { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(5));

    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut short = options("", Box::new(|_| None));
    short.connect_timeout = Duration::from_secs(1);
    let error = refused(&target(silent.local_addr().unwrap().port(), "none".into()), short).await;
    assert!(matches!(error, TransportError::ConnectTimeout { .. }), "{error}");

    let host = Sshd::start();
    let other = keygen(host.dir(), "other", "");
    let error = refused(&target(host.port, other), options(&host.record(), Box::new(|_| None))).await;
    assert!(matches!(&error, TransportError::Auth { tried, .. } if tried.contains("other")), "{error}");
}

/// This host, and the one on the way to it.
fn behind(hop: &Sshd, host: &Sshd) -> (Target, String) {
    (Target { via: Some(Arc::new(hop.target())), ..host.target() }, host.record() + &hop.record())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_behind_another_is_reached_by_way_of_that() {
    let (hop, host) = (Sshd::start(), Sshd::start());
    let (target, records) = behind(&hop, &host);
    let options = Arc::new(options(&records, Box::new(|_| None)));
    let (first, second) = tokio::join!(ssh::connect(&target, &options), ssh::connect(&target, &options));
    for connection in [first, second] {
        let mut connection = connection.unwrap();
        let mut frames: Vec<Frame> = vec![];
        connection.run(&script(&["echo $SSH_CONNECTION"]), &mut frames).await.unwrap();
        assert!(text(&frames, 0).ends_with(&format!(" {}", host.port)), "{}", text(&frames, 0));
        let body = vec![0xa5; 5 << 20];
        let mut fed: Vec<Frame> = vec![];
        connection.feed(&listening("wc -c"), &mut &body[..], &mut fed).await.unwrap();
        assert_eq!(text(&fed, 0), body.len().to_string());
    }
    // One more behind that.
    let third = Sshd::start();
    let target = Target { via: Some(Arc::new(target)), ..third.target() };
    let options = Arc::new(self::options(&(records + &third.record()), Box::new(|_| None)));
    let mut connection = ssh::connect(&target, &options).await.unwrap();
    let mut frames: Vec<Frame> = vec![];
    connection.run(&script(&["echo here"]), &mut frames).await.unwrap();
    assert_eq!(text(&frames, 0), "here");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_on_the_way_is_told_of_that_host() {
    let (hop, host) = (Sshd::start(), Sshd::start());
    let none = || Box::new(|_: &std::path::Path| None);
    // Its key is checked as any other's.
    let (target, _) = behind(&hop, &host);
    let error = refused(&target, options(&host.record(), none())).await;
    let TransportError::Hop { error, .. } = &error else { panic!("{error}") };
    assert!(matches!(**error, TransportError::UnknownHostKey { .. }), "{error}");
    // And the host's own behind it.
    let error = refused(&target, options(&hop.record(), none())).await;
    assert!(matches!(error, TransportError::UnknownHostKey { .. }), "{error}");

    let closed = Sshd::with("AllowTcpForwarding no");
    let (target, records) = behind(&closed, &host);
    let error = refused(&target, options(&records, none())).await;
    assert!(matches!(error, TransportError::NotPassedOn { .. }), "{error}");

    let (mut target, records) = behind(&hop, &host);
    // The first port is for nobody.
    target.port = 1;
    let error = refused(&target, options(&records, none())).await;
    assert!(matches!(error, TransportError::Connect { .. }), "{error}");
    assert!(error.to_string().contains("has no way to it"), "{error}");
}
