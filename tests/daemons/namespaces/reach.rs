//! The network itself: what is cut is dropped, what is not gets through, and nothing of it is left behind.

use std::net::UdpSocket;
use std::process::Command;

use super::net::Net;
use crate::stage::PATIENCE;
use crate::support::wait::wait_until;

/// Nobody listens there: whoever a datagram reaches counts it.
const PORT: u16 = 9;

#[tokio::test]
async fn what_is_cut_is_dropped_and_the_rest_gets_through() {
    let Some(net) = Net::lay(&["a", "b", "c"]) else {
        return;
    };
    gets_through(&net, "a", "b").await;
    net.drop_way("a", "b");
    assert!(is_dropped(&net, "a", "b").await);
    for (from, to) in [("b", "a"), ("a", "c"), ("c", "b")] {
        gets_through(&net, from, to).await;
    }
    net.heal();
    gets_through(&net, "a", "b").await;
    net.cut_off("a");
    assert!(is_dropped(&net, "a", "b").await);
    gets_through(&net, "c", "b").await;
    net.heal();
    gets_through(&net, "a", "b").await;
    let names = net.names();
    assert_eq!(present(&names).len(), names.len());
    drop(net);
    assert_eq!(present(&names), Vec::<String>::new());
}

async fn gets_through(net: &Net, from: &str, to: &str) {
    let before = arrived(net, to);
    send(net, from, to);
    let what = format!("a datagram from {from} reaches {to}");
    wait_until(PATIENCE, &what, async || arrived(net, to) > before).await;
}

/// Nothing that one host sends reaches another: not before what this process sends later has arrived there.
pub async fn is_dropped(net: &Net, from: &str, to: &str) -> bool {
    let before = arrived(net, to);
    send(net, from, to);
    let own = UdpSocket::bind((net.here(), 0)).unwrap();
    for count in 1..=2 {
        own.send_to(b"x", (net.address(to), PORT)).unwrap();
        let what = format!("a datagram reaches {to}");
        wait_until(PATIENCE, &what, async || arrived(net, to) >= before + count).await;
    }
    arrived(net, to) == before + 2
}

fn arrived(net: &Net, host: &str) -> u64 {
    net.counter(host, "Udp:", "NoPorts")
}

fn send(net: &Net, from: &str, to: &str) {
    let [enter, namespace] = net.enter(from).try_into().unwrap();
    let word = format!("echo > /dev/udp/{}/{PORT}", net.address(to));
    let mut command = Command::new(enter);
    // A refusal would be a way of being told; whether it arrives is asked there.
    let sent = command.args([&namespace, "bash", "-c", &word]).status();
    assert!(sent.unwrap().success(), "{from} was told");
}

/// Which of these are there.
fn present(names: &[String]) -> Vec<String> {
    let output = |arguments: &[&str]| {
        let output = Command::new("ip").args(arguments).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let there = output(&["netns", "list"]) + &output(&["-brief", "link"]);
    let there: Vec<&str> = there
        .lines()
        .filter_map(|line| line.split([' ', '@']).next())
        .collect();
    let found = names.iter().filter(|name| there.contains(&name.as_str()));
    found.cloned().collect()
}
