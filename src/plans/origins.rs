//! From where a binary may be fetched: an allow-list of URL prefixes. The log judges a plan by it and
//! every host its download. Nothing is fetched here.

use std::fmt;

use url::Url;

/// An empty list allows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    allowed: Vec<Allowed>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Allowed {
    /// `https://`: every host.
    Scheme(String),
    /// `https://releases.example.org/aegis/`: this host and port, and paths below.
    Prefix(Url),
}

/// Why a URL, or an entry of the list, is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAllowed {
    pub url: String,
    pub why: &'static str,
}

impl Origins {
    /// Entries are `http://`, `https://` or `file://` alone, or a URL of a directory or a file.
    pub fn parse<T: AsRef<str>>(entries: impl IntoIterator<Item = T>) -> Result<Self, NotAllowed> {
        let allowed = entries.into_iter().map(|entry| parse_entry(entry.as_ref()));
        Ok(Self {
            allowed: allowed.collect::<Result<_, _>>()?,
        })
    }

    /// The parsed URL, when the list allows it.
    pub fn check(&self, url: &str) -> Result<Url, NotAllowed> {
        let refuse = |why| Err(refused(url, why));
        // Parsers pass over these, so the text would not be what is fetched.
        let odd = |sign: char| sign.is_whitespace() || sign.is_control() || sign == '\\';
        if url.contains(odd) {
            return refuse("it has a space, a control character or a backslash");
        }
        let Ok(parsed) = Url::parse(url) else {
            return refuse("it is no URL");
        };
        if !matches!(parsed.scheme(), "http" | "https" | "file") {
            return refuse("only http, https and file are known");
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return refuse("it carries credentials");
        }
        if parsed.scheme() == "file" && parsed.host().is_some() {
            return refuse("a file URL names no host");
        }
        // What a server makes of an encoded slash or dot is its secret; a prefix must not depend on it.
        let path = parsed.path().to_ascii_lowercase();
        if path.contains("%2f") || path.contains("%2e") || path.contains("%5c") {
            return refuse("its path has an encoded slash or dot");
        }
        if self.allowed.iter().any(|allowed| allowed.covers(&parsed)) {
            Ok(parsed)
        } else {
            refuse("no allowed origin covers it")
        }
    }
}

impl Allowed {
    fn covers(&self, url: &Url) -> bool {
        match self {
            Self::Scheme(scheme) => url.scheme() == scheme,
            Self::Prefix(prefix) => same_origin(prefix, url) && below(prefix.path(), url.path()),
        }
    }
}

/// Same scheme, host and port; a redirect may not leave these.
pub fn same_origin(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host() == other.host()
        && one.port_or_known_default() == other.port_or_known_default()
}

/// `/a` covers `/a` and `/a/b`, not `/ab`.
fn below(prefix: &str, path: &str) -> bool {
    match path.strip_prefix(prefix) {
        Some(rest) => rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/'),
        None => false,
    }
}

fn parse_entry(entry: &str) -> Result<Allowed, NotAllowed> {
    if let Some(scheme @ ("http" | "https" | "file")) = entry.strip_suffix("://") {
        return Ok(Allowed::Scheme(scheme.to_owned()));
    }
    let why = "as an allowed origin: write a scheme such as https:// or the URL of a directory";
    let url = Url::parse(entry).map_err(|_| refused(entry, why))?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if plain && matches!(url.scheme(), "http" | "https" | "file") {
        Ok(Allowed::Prefix(url))
    } else {
        Err(refused(entry, why))
    }
}

fn refused(url: &str, why: &'static str) -> NotAllowed {
    NotAllowed {
        url: url.to_owned(),
        why,
    }
}

impl fmt::Display for NotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the URL {} is not allowed: {}", self.url, self.why)
    }
}

impl std::error::Error for NotAllowed {}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(entries: &[&str], url: &str) -> bool {
        Origins::parse(entries).unwrap().check(url).is_ok()
    }

    #[test]
    fn a_prefix_covers_its_host_port_and_directory_only() {
        let list = ["https://releases.example.org/aegis"];
        for good in [
            "https://releases.example.org/aegis",
            "https://releases.example.org:443/aegis/1.1.0/server",
            "https://RELEASES.example.org/aegis/x?y=1",
        ] {
            assert!(allows(&list, good), "{good}");
        }
        for bad in [
            "http://releases.example.org/aegis/x",
            "https://releases.example.org/aegis-evil/x",
            "https://releases.example.org:444/aegis/x",
            "https://releases.example.org.evil.org/aegis/x",
            "https://releases.example.org/aegis/../other",
            "https://releases.example.org/aegis/%2e%2e/other",
            "https://releases.example.org/aegis/..%2fother",
            "https://releases.example.org@evil.org/aegis/x",
            "https://user:secret@releases.example.org/aegis/x",
            "file:///aegis",
            "ftp://releases.example.org/aegis/x",
            "not a url",
        ] {
            assert!(!allows(&list, bad), "{bad}");
        }
    }

    #[test]
    fn a_host_alone_covers_no_longer_host_no_other_port_and_no_name_before_an_at() {
        for list in [["https://host"], ["https://host/"]] {
            for good in [
                "https://host/a",
                "https://HOST/a",
                "HTTPS://host/a",
                "https://host:443/a",
                "https://host",
                "https://host/a?b#c",
            ] {
                assert!(allows(&list, good), "{good}");
            }
            for bad in [
                "https://host.evil.com/a",
                "https://hostevil.com/a",
                "https://host-evil.com/a",
                "https://host@evil.com/a",
                "https://host:443@evil.com/a",
                "https://host%2eevil.com/a",
                "https://host%40evil.com/a",
                "https://evil.com/https://host/a",
                "https://evil.com#https://host/a",
                "https://evil.com?https://host/a",
                "https://host:8443/a",
                "https://host:80/a",
                "http://host/a",
                "https://host.:443/a",
                "https:\\\\host\\a",
                "https://evil.com\\@host/a",
                "https://ho\tst/a",
                "https://host/a\nX-Evil: 1",
                " https://host/a",
                "https://@host/a\u{0}",
                "https://host/a%5Cb",
                "//host/a",
                "https:host.evil.com/a",
            ] {
                assert!(!allows(&list, bad), "{bad}");
            }
        }
    }

    #[test]
    fn dots_are_followed_before_the_directory_is_compared() {
        let list = ["https://host/aegis/"];
        assert!(allows(&list, "https://host/other/../aegis/a"));
        for bad in [
            "https://host/aegis/../a",
            "https://host/aegis/./../a",
            "https://host/aegis/%2e./a",
            "https://host/AEGIS/a",
            "https://host/aegis",
            "https://host//aegis/a",
        ] {
            assert!(!allows(&list, bad), "{bad}");
        }
    }

    #[test]
    fn files_need_an_entry_of_their_own_and_an_empty_list_allows_nothing() {
        assert!(!allows(&["http://", "https://"], "file:///srv/releases/a"));
        assert!(allows(&["file:///srv/releases"], "file:///srv/releases/a"));
        assert!(!allows(
            &["file:///srv/releases"],
            "file:///srv/releases/../secret"
        ));
        assert!(!allows(
            &["file:///srv/releases"],
            "file://host/srv/releases/a"
        ));
        assert!(allows(&["file://"], "file:///anywhere"));
        assert!(!allows(&[], "https://releases.example.org/a"));
    }

    #[test]
    fn a_number_for_a_host_is_the_host_it_stands_for() {
        assert!(!allows(
            &["http://releases.example.org/"],
            "http://2130706433/x"
        ));
        assert!(allows(&["http://127.0.0.1/"], "http://2130706433/x"));
    }

    #[test]
    fn entries_that_cannot_be_meant_are_refused() {
        for bad in [
            "releases.example.org",
            "ftp://",
            "https://a/?b=1",
            "https://u@a/",
            "",
        ] {
            assert!(Origins::parse([bad]).is_err(), "{bad}");
        }
    }
}
