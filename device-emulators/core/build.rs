//! Writes the list of shipped data files, so that adding a product is adding a file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    // Relative, and the texts in the list itself: clones that share a target directory must not read each other's files.
    let data = Path::new("../data");
    let mut list = String::from("&[\n");
    for folder in ["dbc", "modbus", "products"] {
        let folder_path = data.join(folder);
        tell_cargo(&folder_path);
        let mut files: Vec<PathBuf> = fs::read_dir(&folder_path)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<_>>()?;
        files.sort();
        for file in files {
            let known = file
                .extension()
                .is_some_and(|extension| extension == "dbc" || extension == "toml");
            let Some(name) = file.file_name().and_then(|name| name.to_str()).filter(|_| known) else {
                continue;
            };
            let text = fs::read_to_string(&file)?;
            writeln!(list, "(\"{folder}/{name}\", {text:?}),").map_err(io::Error::other)?;
        }
    }
    list += "]\n";
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("shipped.rs"), list)
}

#[allow(clippy::print_stdout, reason = "cargo reads a build script's standard output")]
fn tell_cargo(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}
