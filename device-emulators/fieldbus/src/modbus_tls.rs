//! Modbus/TCP Security (MB-TCP-Security V2.1 [R]): TLS 1.2 or later, certificates on both sides, and the role that a
//! certificate gives its holder.

use std::net::SocketAddr;
use std::sync::Arc;

use bess_rig::config::TlsFiles;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use x509_parser::parse_x509_certificate;

use crate::error::FieldbusError;

/// The extension that holds a role: modbus(50316) security(802) role(1).
const ROLE: &str = "1.3.6.1.4.1.50316.802.1";

/// Who a device is, and whom it believes.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) connector: TlsConnector,
}

impl Identity {
    /// Reads the files of a device.
    pub(crate) fn load(files: &TlsFiles) -> Result<Self, FieldbusError> {
        let wrong = |file: &str, why: String| FieldbusError::Certificate {
            file: file.into(),
            why,
        };
        let certificates = |file: &str| -> Result<Vec<CertificateDer<'static>>, FieldbusError> {
            let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            match read {
                Ok(found) if found.is_empty() => Err(wrong(file, "there is no certificate in it".into())),
                Ok(found) => Ok(found),
                Err(error) => Err(wrong(file, error.to_string())),
            }
        };
        let own = certificates(&files.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&files.key);
        let key = key.map_err(|error| wrong(&files.key, error.to_string()))?;
        let mut roots = RootCertStore::empty();
        for root in certificates(&files.ca)? {
            roots
                .add(root)
                .map_err(|error| wrong(&files.ca, error.to_string()))?;
        }
        let (provider, roots) = (Arc::new(ring::default_provider()), Arc::new(roots));
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
        let clients = clients
            .build()
            .map_err(|error| wrong(&files.ca, error.to_string()))?;
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .and_then(|server| {
                server
                    .with_client_cert_verifier(clients)
                    .with_single_cert(own.clone(), key.clone_key())
            });
        let server = server.map_err(|error| wrong(&files.certificate, error.to_string()))?;
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|client| {
                client
                    .with_root_certificates(roots)
                    .with_client_auth_cert(own, key)
            });
        let client = client.map_err(|error| wrong(&files.certificate, error.to_string()))?;
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(server)),
            connector: TlsConnector::from(Arc::new(client)),
        })
    }
}

/// The name a server's certificate must have: its address.
pub(crate) fn name(address: SocketAddr) -> ServerName<'static> {
    ServerName::IpAddress(address.ip().into())
}

/// The role a certificate gives its holder, if it gives one.
pub(crate) fn role(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = parse_x509_certificate(certificate).ok()?;
    let mut extensions = certificate.extensions().iter();
    let role = extensions.find(|extension| extension.oid.to_id_string() == ROLE)?;
    utf8_string(role.value)
}

/// A UTF8String in DER.
fn utf8_string(der: &[u8]) -> Option<String> {
    const TAG: u8 = 0x0C;
    let (length, text) = match der {
        [TAG, length @ 0..=0x7F, text @ ..] | [TAG, 0x81, length @ 0x80..=0xFF, text @ ..] => (*length, text),
        _ => return None,
    };
    (text.len() == usize::from(length)).then(|| String::from_utf8(text.to_vec()).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_a_utf8_string() {
        assert_eq!(utf8_string(b"\x0C\x08Operator").as_deref(), Some("Operator"));
        let long = [&[0x0C, 0x81, 200][..], &[b'x'; 200]].concat();
        assert_eq!(utf8_string(&long).map(|text| text.len()), Some(200));
        for wrong in [
            &b""[..],
            b"\x0C",
            b"\x0C\x05abc",
            b"\x13\x03abc",
            b"\x0C\x01\xFF",
            b"\x0C\x81\x03abc",
        ] {
            assert_eq!(utf8_string(wrong), None, "{wrong:?}");
        }
    }
}
