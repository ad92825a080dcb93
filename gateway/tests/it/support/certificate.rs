use std::process::{Command, Stdio};

use super::process::Scratch;

/// A self-signed certificate for this machine, made by `openssl`.
pub(crate) struct Certificate {
    /// The file of the certificate.
    pub(crate) certificate: String,
    /// The file of its key.
    pub(crate) key: String,
}

impl Certificate {
    /// Makes `NAME.crt` and `NAME.key`.
    pub(crate) fn make(scratch: &Scratch, name: &str) -> Self {
        let path = |extension: &str| scratch.path(&format!("{name}.{extension}")).to_str().unwrap().to_owned();
        let (certificate, key) = (path("crt"), path("key"));
        let request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
                       -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE";
        let status = Command::new("openssl")
            .args(request.split_ascii_whitespace())
            .args(["-keyout", &key, "-out", &certificate])
            .stderr(Stdio::null())
            .status();
        assert!(status.expect("openssl is installed").success());
        Self { certificate, key }
    }

    /// The settings of a gateway that uses it.
    pub(crate) fn settings(&self) -> String {
        format!("[listen]\ntls_cert_file = \"{}\"\ntls_key_file = \"{}\"\n", self.certificate, self.key)
    }
}
