use std::collections::HashSet;

/// Below which paths each mount's routes are served, by the mount's place in the list. Clients take `/socket` at the end of
/// their address for the name of the socket, and look for the routes beside it: Supabase's own server has `/socket` and
/// `/api` at its root. Where two mounts claim one path, it belongs to the one that it is below of.
pub(super) fn bases(mounts: &[&str]) -> Vec<(usize, String)> {
    let below = mounts.iter().enumerate().map(|(at, path)| (at, path.trim_end_matches('/').to_owned()));
    let beside =
        mounts.iter().enumerate().filter_map(|(at, path)| Some((at, path.strip_suffix("/socket")?.to_owned())));
    let mut claimed = HashSet::new();
    below.chain(beside).filter(|(_, base)| claimed.insert(shape(base))).collect()
}

/// What requests match: two variables match the same, whatever their names.
fn shape(path: &str) -> String {
    let segments = path.split('/').map(|segment| if segment.starts_with(':') { ":" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(mounts: &[&str]) -> Vec<(usize, String)> {
        bases(mounts)
    }

    #[test]
    fn routes_stand_below_a_mount_and_beside_a_socket() {
        assert_eq!(of(&["/realtime/v1"]), [(0, "/realtime/v1".to_owned())]);
        assert_eq!(of(&["/a/socket"]), [(0, "/a/socket".to_owned()), (0, "/a".to_owned())]);
        assert_eq!(of(&["/socket"]), [(0, "/socket".to_owned()), (0, String::new())]);
        assert_eq!(of(&["/websocket"]), [(0, "/websocket".to_owned())]);
    }

    #[test]
    fn no_path_is_claimed_twice() {
        assert_eq!(of(&["/a/socket", "/a"]), [(0, "/a/socket".to_owned()), (1, "/a".to_owned())]);
        let variables = of(&["/:tenant/socket", "/:other"]);
        assert_eq!(variables, [(0, "/:tenant/socket".to_owned()), (1, "/:other".to_owned())]);
    }
}
