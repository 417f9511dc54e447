//! What carries an RTU line: a pseudo-terminal, a serial device, or a TCP connection.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

use bess_rig::config::line::{LineFormat, Parity};
use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{
    BaudRate, ControlFlags, FlushArg, SetArg, cfmakeraw, cfsetspeed, tcflush, tcgetattr, tcsetattr,
};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An open end of a line.
#[derive(Debug)]
pub(crate) enum Port {
    Terminal {
        end: AsyncFd<OwnedFd>,
        /// The far end of a pseudo-terminal. Held open, or the line would break each time a program leaves it.
        far_end: Option<OwnedFd>,
    },
    Tcp(TcpStream),
}

impl Port {
    /// A new pseudo-terminal, and the path for the program at its far end. To be called inside the runtime.
    pub(crate) fn new_pty() -> io::Result<(Self, PathBuf)> {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let end = posix_openpt(flags)?;
        grantpt(&end)?;
        unlockpt(&end)?;
        let path = PathBuf::from(ptsname_r(&end)?);
        let far_end = open_raw(&path, None)?;
        let port = Self::Terminal {
            end: watched(OwnedFd::from(end))?,
            far_end: Some(far_end),
        };
        Ok((port, path))
    }

    /// The far end of a pseudo-terminal; with a format, a serial device. To be called inside the runtime.
    pub(crate) fn terminal(path: &str, format: Option<&LineFormat>) -> io::Result<Self> {
        Ok(Self::Terminal {
            end: watched(open_raw(Path::new(path), format)?)?,
            far_end: None,
        })
    }

    /// Reads what is there, at least one byte; none if the other side has hung up.
    pub(crate) async fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(bytes).await,
            Self::Terminal { end, .. } => loop {
                let mut ready = end.readable().await?;
                let read = ready.try_io(|end| Ok(nix::unistd::read(end.get_ref(), bytes)?));
                if let Ok(read) = read {
                    return read;
                }
            },
        }
    }

    /// Writes all. What nobody takes from a full line is lost, as on a wire.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes).await,
            Self::Terminal { end, .. } => match nix::unistd::write(end.get_ref(), bytes) {
                Ok(_) | Err(nix::errno::Errno::EAGAIN) => Ok(()),
                Err(error) => Err(error.into()),
            },
        }
    }

    /// A pseudo-terminal keeps for the far end what a wire would not. Whoever asks anew has given up on it.
    pub(crate) fn forget_unheard(&self) {
        if let Self::Terminal {
            far_end: Some(far_end),
            ..
        } = self
        {
            // Best effort: it is about a reply that is too late anyway.
            let _ = tcflush(far_end, FlushArg::TCIFLUSH);
        }
    }
}

/// A descriptor the runtime waits for.
#[allow(
    deprecated,
    reason = "deprecated for descriptors that may be closed or change meanwhile; an OwnedFd stays what it is"
)]
fn watched(end: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(end)
}

/// Opens a terminal for bytes as they are.
fn open_raw(path: &Path, format: Option<&LineFormat>) -> io::Result<OwnedFd> {
    let flags = OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags.bits())
        .open(path)?;
    let mut settings = tcgetattr(&file)?;
    cfmakeraw(&mut settings);
    if let Some(format) = format {
        settings.control_flags |= ControlFlags::CLOCAL | ControlFlags::CREAD;
        let (parity, odd) = match format.parity {
            Parity::None => (false, false),
            Parity::Even => (true, false),
            Parity::Odd => (true, true),
        };
        settings.control_flags.set(ControlFlags::PARENB, parity);
        settings.control_flags.set(ControlFlags::PARODD, odd);
        settings
            .control_flags
            .set(ControlFlags::CSTOPB, format.stop_bits == 2);
        settings.control_flags.remove(ControlFlags::CRTSCTS);
        cfsetspeed(&mut settings, speed(format.baud)?)?;
    }
    tcsetattr(&file, SetArg::TCSANOW, &settings)?;
    Ok(file.into())
}

fn speed(baud: u32) -> io::Result<BaudRate> {
    Ok(match baud {
        1200 => BaudRate::B1200,
        2400 => BaudRate::B2400,
        4800 => BaudRate::B4800,
        9600 => BaudRate::B9600,
        19_200 => BaudRate::B19200,
        38_400 => BaudRate::B38400,
        57_600 => BaudRate::B57600,
        115_200 => BaudRate::B115200,
        230_400 => BaudRate::B230400,
        460_800 => BaudRate::B460800,
        921_600 => BaudRate::B921600,
        _ => {
            let text = format!("no serial device has {baud} Bd");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
    })
}

/// A path that leads to a pseudo-terminal, as long as this is there.
#[derive(Debug)]
pub(crate) struct Link {
    path: PathBuf,
    target: PathBuf,
}

impl Link {
    /// Replaces a link that is there, such as one of a killed rig, but nothing else.
    pub(crate) fn new(path: &str, target: &Path) -> io::Result<Self> {
        let path = PathBuf::from(path);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() => fs::remove_file(&path)?,
            Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        symlink(target, &path)?;
        Ok(Self {
            path,
            target: target.to_owned(),
        })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Another rig may have replaced it.
        if fs::read_link(&self.path).is_ok_and(|target| target == self.target) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
