//! Modbus/TCP Security: both sides show certificates, and the server learns the client's role.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

mod common;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bess_devices::Token;
use bess_fieldbus::{FieldbusError, Limits, PacedDriver};
use bess_rig::config::TlsFiles;
use bess_rig::{ModbusAddress, WireInput, WireOutput};
use bess_types::{ModbusCertificate, ModbusData, ModbusReply, ModbusRequest, SimTime, Table};
use common::{Bench, free_address, meanwhile};
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, IsCa, Issuer, KeyPair};

/// A root and what it has signed, in a folder of its own.
struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("bessrig-tls-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut root = CertificateParams::new(Vec::new()).unwrap();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        fs::write(folder.join("ca.pem"), root.self_signed(&key).unwrap().pem()).unwrap();
        Self {
            folder,
            issuer: Issuer::new(root, key),
        }
    }

    /// A certificate for this host, with a role if it is to have one.
    fn sign(&self, name: &str, role: Option<&str>) -> TlsFiles {
        let key = KeyPair::generate().unwrap();
        let mut holder = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        if let Some(role) = role {
            let text = [&[0x0C, u8::try_from(role.len()).unwrap()][..], role.as_bytes()].concat();
            let oid = [1, 3, 6, 1, 4, 1, 50_316, 802, 1];
            holder
                .custom_extensions
                .push(CustomExtension::from_oid_content(&oid, text));
        }
        let certificate = holder.signed_by(&key, &self.issuer).unwrap();
        let path = |what: &str| self.folder.join(format!("{name}-{what}.pem"));
        fs::write(path("certificate"), certificate.pem()).unwrap();
        fs::write(path("key"), key.serialize_pem()).unwrap();
        let text = |path: &Path| path.to_string_lossy().into_owned();
        TlsFiles {
            certificate: text(&path("certificate")),
            key: text(&path("key")),
            ca: text(&self.folder.join("ca.pem")),
        }
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A server that answers every read with 7, and asks itself as `client`, if there is one.
fn bench(address: SocketAddr, server: TlsFiles, client: Option<TlsFiles>) -> Bench {
    let mut asks = client.is_some();
    let bench = Bench::new()
        .with_server_at(ModbusAddress::Tls(address), 1)
        .with_certificates(0, server);
    let bench = match client {
        Some(client) => bench.with_certificates(7, client),
        None => bench,
    };
    bench
        .ticking(move |_| {
            let ask = WireOutput::ModbusRequest {
                client: 7,
                token: Token(0),
                address: ModbusAddress::Tls(address),
                unit: 1,
                request: ModbusRequest::Read {
                    table: Table::Holding,
                    address: 0,
                    count: 1,
                },
            };
            if std::mem::take(&mut asks) {
                vec![ask]
            } else {
                Vec::new()
            }
        })
        .reacting(|_, input| match input {
            WireInput::ModbusRequest { wire_token, .. } => vec![WireOutput::ModbusReply {
                wire_token: *wire_token,
                reply: Some(Ok(ModbusData::Registers(vec![7]))),
                faults: vec![],
            }],
            _ => Vec::new(),
        })
}

fn asked(server: TlsFiles, client: TlsFiles) -> (PacedDriver<Bench>, Option<ModbusReply>) {
    let mut driver = common::open(bench(free_address(), server, Some(client)));
    let answered = driver.run(SimTime::from_millis(3000), &mut |bench| {
        !bench.replies().is_empty()
    });
    assert!(answered);
    let reply = driver.rig().replies()[0].1.clone();
    (driver, reply)
}

#[test]
fn certificates_of_one_authority_believe_each_other() {
    let authority = Authority::new("one");
    let (server, client) = (
        authority.sign("server", None),
        authority.sign("client", Some("Operator")),
    );
    let (driver, reply) = asked(server, client);
    assert_eq!(reply, Some(Ok(ModbusData::Registers(vec![7]))));
    let role = driver.rig().seen.iter().find_map(|(_, input)| match input {
        WireInput::ModbusRequest { client, .. } => Some(client.certificate.clone()),
        _ => None,
    });
    let role_given = ModbusCertificate {
        role: Some("Operator".into()),
    };
    assert_eq!(role, Some(Some(role_given)));
}

#[test]
fn strangers_are_not_heard() {
    let (own, other) = (Authority::new("own"), Authority::new("other"));
    // A client that another authority has signed, and a server that one has.
    for (server, client) in [
        (
            own.sign("server", None),
            TlsFiles {
                ca: own.sign("x", None).ca,
                ..other.sign("client", None)
            },
        ),
        (
            TlsFiles {
                ca: other.sign("x", None).ca,
                ..own.sign("server-2", None)
            },
            other.sign("client-2", None),
        ),
    ] {
        let (driver, reply) = asked(server, client);
        assert_eq!(reply, None);
        let heard = driver.rig().seen.iter();
        let mut heard = heard.filter(|(_, input)| matches!(input, WireInput::ModbusRequest { .. }));
        assert!(heard.next().is_none());
    }
}

#[test]
fn plain_modbus_is_no_tls() {
    let authority = Authority::new("plain");
    let address = free_address();
    let mut driver = common::open(bench(address, authority.sign("server", None), None));
    meanwhile(&mut driver, move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        stream.write_all(&[0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1]).unwrap();
        let mut all = Vec::new();
        // A TLS alert at most, and the end.
        let _ = stream.read_to_end(&mut all);
        assert!(all.len() <= 7 && !all.starts_with(&[0, 1]), "{all:?}");
    });
    let heard = driver.rig().seen.len();
    assert_eq!(heard, 0);
}

#[test]
fn a_file_that_is_none_is_named() {
    let authority = Authority::new("files");
    let good = authority.sign("server", None);
    let key = good.key.clone();
    for (files, named) in [
        (
            TlsFiles {
                certificate: "nowhere.pem".into(),
                ..good.clone()
            },
            "nowhere.pem".to_owned(),
        ),
        (
            TlsFiles {
                ca: key.clone(),
                ..good.clone()
            },
            key,
        ),
        (
            TlsFiles {
                key: authority.sign("other", None).key,
                ..good.clone()
            },
            good.certificate.clone(),
        ),
    ] {
        let bench = bench(free_address(), files, None);
        let error = PacedDriver::new(bench, Limits::default()).err().unwrap();
        assert!(matches!(error, FieldbusError::Certificate { .. }), "{error:?}");
        assert!(error.to_string().contains(&named), "{error}");
    }
}
