//! The data files as texts by name: the ones shipped with the crate, and overlays from a rig.
//!
//! Nothing here reads a file. The shipped texts are compiled in; the binary hands over others.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::codec::can::DbcFile;
use crate::product::{Place, Product, ProductError, Source};

/// Files by what names them: `dbc/rig-cluster.dbc` and `modbus/container-io.toml` by their path below
/// `device-emulators/data`, products by their id, as in `products/rig-bmu-44`.
#[derive(Clone, Debug, Default)]
pub struct Library {
    files: BTreeMap<String, Source>,
    /// What the DBCs say, once one was asked for: all devices of a rig share it.
    dbcs: BTreeMap<String, OnceLock<Arc<DbcFile>>>,
    /// Of those that nobody can use, what is wrong; told to whoever asks for one.
    broken: BTreeMap<String, ProductError>,
}

/// Where the shipped files are.
const SHIPPED_FOLDER: &str = "device-emulators/data";

/// Folder of the product files.
const PRODUCTS: &str = "products/";
/// Folder of the DBCs.
const DBCS: &str = "dbc/";

impl Library {
    /// The files shipped with this crate.
    pub fn shipped() -> Self {
        const SHIPPED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/shipped.rs"));
        let mut library = Self::empty();
        for &(path, text) in SHIPPED {
            library.overlay(SHIPPED_FOLDER, path, text);
        }
        library
    }

    /// A library with no file at all.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Adds a file of a folder, such as `products/x.toml`. A product takes the place of the one with its id, whatever the
    /// files are called; any other file that of the same path. Two products of one folder with one id are a mistake, told
    /// to whoever asks for it.
    pub fn overlay(&mut self, folder: &str, path: &str, text: &str) {
        let (key, source) = keyed(folder, path, text);
        let id = key.strip_prefix(PRODUCTS).unwrap_or_default();
        let products = source.file.strip_suffix(path).unwrap_or_default().to_owned() + PRODUCTS;
        let twin = self
            .files
            .get(&key)
            .filter(|other| other.file != source.file && other.file.starts_with(&products));
        match twin {
            Some(other) => {
                let name = |source: &Source| source.file.trim_start_matches(&products).to_owned();
                let error = ProductError::Setting {
                    place: source.place_of_key("id").unwrap_or_else(Place::nowhere),
                    key: "id".into(),
                    message: format!("{} and {} both have the id `{id}`", name(other), name(&source)),
                    help: "give each product an id of its own".into(),
                };
                self.broken.insert(key.clone(), error);
            }
            None => {
                self.broken.remove(&key);
            }
        }
        self.put(key, source);
    }

    /// As [`Library::overlay`] for a file that is not text, and why; `text` is what can be read of it, `at` the byte from
    /// which on it cannot.
    pub fn overlay_unreadable(&mut self, folder: &str, path: &str, text: &str, at: usize, why: &str) {
        let (key, source) = keyed(folder, path, text);
        let error = ProductError::Unreadable {
            place: source.place(at..at),
            message: why.into(),
        };
        self.broken.insert(key.clone(), error);
        self.put(key, source);
    }

    fn put(&mut self, key: String, source: Source) {
        if key.starts_with(DBCS) {
            self.dbcs.insert(key.clone(), OnceLock::new());
        }
        self.files.insert(key, source);
    }

    /// Reads the product with this id.
    ///
    /// # Errors
    /// If no product file has the id, or the one that has it does not read as a product.
    pub fn product(&self, id: &str) -> Result<Arc<Product>, ProductError> {
        self.product_for(id, &[])
    }

    /// Reads a product file's text that may inherit from products of this library.
    ///
    /// # Errors
    /// As [`Product::parse`].
    pub fn parse_product(&self, path: &str, text: &str) -> Result<Product, ProductError> {
        let id = product_id(text).unwrap_or_default();
        self.not_broken(&format!("{PRODUCTS}{id}"))?;
        Product::parse(path, text, |base| self.product_for(base, &[&id]))
    }

    /// As [`Library::product`], for `heirs` that inherit from it.
    fn product_for(&self, id: &str, heirs: &[&str]) -> Result<Arc<Product>, ProductError> {
        let key = format!("{PRODUCTS}{id}");
        let source = self.files.get(&key).ok_or_else(|| ProductError::UnknownProduct {
            id: id.into(),
            known: self.product_ids(),
        })?;
        if heirs.contains(&id) {
            return Err(ProductError::Setting {
                place: source
                    .place_of_key("inherits")
                    .unwrap_or_else(|| source.place(0..0)),
                key: "inherits".into(),
                message: format!("goes round in a circle: {} to {id}", heirs.join(" to ")),
                help: "let one product of the chain inherit nothing, or give it another id than the one it inherits"
                    .into(),
            });
        }
        self.not_broken(&key)?;
        let heirs = [heirs, &[id]].concat();
        Product::parse(&source.file, &source.text, |base| self.product_for(base, &heirs)).map(Arc::new)
    }

    fn not_broken(&self, key: &str) -> Result<(), ProductError> {
        self.broken.get(key).cloned().map_or(Ok(()), Err)
    }

    /// The DBC of a file name, such as `rig-cluster.dbc`; read when it is first asked for.
    ///
    /// # Errors
    /// If there is no such file or it does not parse.
    pub fn dbc(&self, name: &str) -> Result<Arc<DbcFile>, ProductError> {
        let key = format!("{DBCS}{name}");
        let source = self.at(&key)?;
        let read = || DbcFile::parse(&source.file, &source.text).map(Arc::new);
        let Some(kept) = self.dbcs.get(&key) else {
            return read();
        };
        if let Some(dbc) = kept.get() {
            return Ok(Arc::clone(dbc));
        }
        let dbc = read()?;
        Ok(Arc::clone(kept.get_or_init(|| dbc)))
    }

    /// A register map by file name, such as `container-io.toml`.
    ///
    /// # Errors
    /// If there is no such file.
    pub fn register_map(&self, name: &str) -> Result<&Source, ProductError> {
        self.at(&format!("modbus/{name}"))
    }

    /// Ids of all products, in order.
    pub fn product_ids(&self) -> Vec<String> {
        self.files(PRODUCTS)
            .filter_map(|source| product_id(&source.text))
            .collect()
    }

    /// What names each file: its path below its folder, or the id of a product; in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Whether a place in this file is in one of the shipped files.
    pub fn is_shipped(file: &str) -> bool {
        file.strip_prefix(SHIPPED_FOLDER)
            .is_some_and(|path| path.starts_with('/'))
    }

    /// The text of a file that an error names, for showing the error in its line.
    pub fn text_of(&self, file: &str) -> Option<&str> {
        let mut sources = self.files.values();
        sources
            .find(|source| source.file == file)
            .map(|source| source.text.as_str())
    }

    fn files(&self, folder: &'static str) -> impl Iterator<Item = &Source> {
        self.files
            .iter()
            .filter(move |(path, _)| path.starts_with(folder))
            .map(|(_, source)| source)
    }

    /// Paths in the same folder.
    fn beside(&self, path: &str) -> Vec<String> {
        let folder = path.split('/').next().unwrap_or_default();
        let in_folder = |other: &&str| other.split('/').next() == Some(folder);
        self.paths().filter(in_folder).map(str::to_owned).collect()
    }

    /// The file with this path below its folder.
    pub(crate) fn at(&self, path: &str) -> Result<&Source, ProductError> {
        self.not_broken(path)?;
        self.files.get(path).ok_or_else(|| ProductError::UnknownFile {
            path: path.into(),
            place: Place::nowhere(),
            known: self.beside(path),
        })
    }
}

/// What names a file in a library, and the file.
fn keyed(folder: &str, path: &str, text: &str) -> (String, Source) {
    let source = Source::new(&format!("{}/{path}", folder.trim_end_matches('/')), text);
    let key = match product_id(text) {
        Some(id) if path.starts_with(PRODUCTS) => format!("{PRODUCTS}{id}"),
        _ => path.to_owned(),
    };
    (key, source)
}

/// The `id = "…"` of a product text, whether or not the rest of it reads as a product.
fn product_id(text: &str) -> Option<String> {
    text.lines()
        .take_while(|line| !line.trim_start().starts_with('['))
        .find_map(|line| {
            let (key, value) = line.split_once('=')?;
            let value = value.split('#').next()?.trim();
            (key.trim() == "id").then(|| value.trim_matches(['"', '\'']).to_owned())
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_product_and_dbc_reads() {
        let library = Library::shipped();
        let ids = library.product_ids();
        assert_eq!(ids.len(), library.files("products/").count());
        for id in &ids {
            assert_eq!(ids.iter().filter(|other| *other == id).count(), 1, "{id}");
            assert_eq!(&library.product(id).unwrap().id, id);
        }
        for source in library.files("dbc/") {
            DbcFile::parse(&source.file, &source.text).unwrap();
        }
    }

    #[test]
    fn an_overlay_replaces_the_product_of_the_same_id_and_any_other_file_of_the_same_path() {
        let mut library = Library::empty();
        let text = "id = \"x\" # own\nkind = \"bmu\"\ntitle = \"X\"\n";
        library.overlay("a", "products/x.toml", text);
        library.overlay("b", "products/other.toml", text);
        assert_eq!(library.product_ids(), ["x"]);
        assert!(library.text_of("a/products/x.toml").is_none());
        library.overlay("b", "products/x.toml", &text.replace("\"x\"", "\"y\""));
        assert_eq!(library.product_ids(), ["x", "y"]);
        for (folder, text) in [("a", "first"), ("b", "second")] {
            library.overlay(folder, "modbus/x.toml", text);
            assert_eq!(library.register_map("x.toml").unwrap().text, text);
        }
    }

    #[test]
    fn a_dbc_is_read_once_until_another_takes_its_place() {
        let mut library = Library::shipped();
        let first = library.dbc("rig-cluster.dbc").unwrap();
        assert!(Arc::ptr_eq(&first, &library.dbc("rig-cluster.dbc").unwrap()));
        library.overlay("own", "dbc/rig-cluster.dbc", "VERSION \"own\"\n\nBU_: A\n");
        let own = library.dbc("rig-cluster.dbc").unwrap();
        assert_eq!(own.file, "own/dbc/rig-cluster.dbc");
        assert!(own.dbc.messages.is_empty());
        library.overlay("own", "dbc/rig-cluster.dbc", "BO_ nothing");
        assert!(library.dbc("rig-cluster.dbc").is_err());
    }

    #[test]
    fn a_product_does_not_hide_the_shipped_one_of_its_file_name() {
        let library = with(&[(
            "products/bmu.toml",
            "id = \"bmu-28\"\ninherits = \"rig-bmu-44\"\ntitle = \"X\"\n[settings]\ncells = 28\n",
        )]);
        let cells = |id| {
            let product = library.product(id).unwrap();
            crate::bmu::Settings::of(&product).unwrap().cells
        };
        assert_eq!((cells("bmu-28"), cells("rig-bmu-44")), (28, 44));
    }

    #[test]
    fn two_products_of_one_id_are_named_until_one_of_another_folder_takes_their_place() {
        let text = "id = \"z-shunt\"\ninherits = \"rig-hv-unit\"\ntitle = \"Z\"\n";
        let mut library = with(&[("products/z-bcu.toml", text), ("products/z-shunt.toml", text)]);
        let expected =
            "own/products/z-shunt.toml:1: id: z-bcu.toml and z-shunt.toml both have the id `z-shunt`";
        assert_eq!(library.product("z-shunt").unwrap_err().to_string(), expected);
        let checked = library.parse_product("own/products/z-bcu.toml", text);
        assert_eq!(checked.unwrap_err().to_string(), expected);
        assert!(library.product("rig-hv-unit").is_ok());
        library.overlay("other", "products/z.toml", text);
        assert!(library.product("z-shunt").is_ok());
    }

    #[test]
    fn a_file_that_is_no_text_is_told_to_whoever_asks_for_it() {
        let mut library = Library::shipped();
        library.overlay_unreadable(
            "own",
            "dbc/rig-cluster.dbc",
            "VERSION\n\u{FFFD}",
            8,
            "not a text file",
        );
        library.overlay_unreadable(
            "own",
            "products/x.toml",
            "id = \"x\"\n\u{FFFD}",
            9,
            "not a text file",
        );
        let told = |error: ProductError| error.to_string();
        assert_eq!(
            told(library.dbc("rig-cluster.dbc").unwrap_err()),
            "own/dbc/rig-cluster.dbc:2: not a text file"
        );
        assert_eq!(
            told(library.product("x").unwrap_err()),
            "own/products/x.toml:2: not a text file"
        );
        assert!(library.dbc("rig-stack.dbc").is_ok() && library.product("rig-bmu-44").is_ok());
    }

    #[test]
    fn a_port_that_the_kind_does_not_have_is_refused() {
        let complaint = |id: &str, port: &str| {
            let text = format!("id = \"x\"\ninherits = \"{id}\"\ntitle = \"X\"\n{port}");
            let error = with(&[("products/x.toml", &text)]).product("x").unwrap_err();
            format!("{error}; {}", error.help())
        };
        let port = |name: &str| format!("[[can]]\nport = \"{name}\"\ndbc = \"rig-cluster.dbc\"\n");
        assert_eq!(
            complaint("rig-bmu-44", &port("clusters")),
            "own/products/x.toml:5: port: a bmu has no CAN port `clusters`; its ports are cluster, addressing"
        );
        assert_eq!(
            complaint("meter", &port("cluster")),
            "own/products/x.toml:5: port: a meter has no CAN port `cluster`; leave the [[can]] table out"
        );
        assert_eq!(
            complaint("rig-bmu-44", &port("cluster").repeat(2)),
            "own/products/x.toml:8: port: `cluster` is described twice; put all its messages in one [[can]] table"
        );
    }

    fn with(files: &[(&str, &str)]) -> Library {
        let mut library = Library::shipped();
        for (path, text) in files {
            library.overlay("own", path, text);
        }
        library
    }

    #[test]
    fn a_product_takes_from_its_base_what_it_does_not_say() {
        let library = with(&[(
            "products/x.toml",
            "id = \"x\"\ninherits = \"bcu-238s\"\ntitle = \"X\"\n[settings]\ncapacity_ah = 100.0\n\
             [settings.contactors]\nparallel_gap_v = 3.0\n[[can]]\nport = \"stack\"\ndbc = \"rig-stack.dbc\"\n",
        )]);
        let product = library.product("x").unwrap();
        let settings: crate::bcu::settings::BcuSettings = product.settings().unwrap();
        assert_eq!(settings.capacity_ah, 100.0);
        assert_eq!((settings.packs, settings.cells_per_pack), (17, 14));
        assert_eq!(settings.contactors.parallel_gap_v, 3.0);
        assert_eq!(settings.contactors.dead_bus_v, 60.0);
        let ports: Vec<_> = product
            .ports()
            .map(|(spec, source)| (spec.port.get_ref().as_str(), source.file.as_str()))
            .collect();
        assert_eq!(
            ports,
            [
                ("stack", "own/products/x.toml"),
                ("cluster", "device-emulators/data/products/bcu-396s.toml"),
                ("addressing", "device-emulators/data/products/bcu-396s.toml")
            ]
        );
        assert_eq!(product.model, "X");
    }

    #[test]
    fn mistakes_of_an_heir_stand_in_its_own_file() {
        let complaint = |text: &str| {
            let library = with(&[("products/x.toml", &format!("id = \"x\"\ntitle = \"X\"\n{text}"))]);
            let settings = library.product("x").and_then(|x| crate::kinds::point_table(&x));
            settings.unwrap_err().to_string()
        };
        for (text, expected) in [
            (
                "inherits = \"nothing\"",
                "own/products/x.toml:3: inherits: there is no product `nothing`",
            ),
            (
                "inherits = \"meter\"\nkind = \"bmu\"",
                "own/products/x.toml:4: kind: `meter` is a meter, not a bmu",
            ),
            (
                "inherits = \"x\"",
                "own/products/x.toml:3: inherits: goes round in a circle: x to x",
            ),
            ("", "own/products/x.toml:1: missing field `kind`"),
            (
                "inherits = \"rig-bmu-44\"\n[settings]\ncells = 60",
                "own/products/x.toml:5: cells: 60 cells",
            ),
        ] {
            assert_eq!(complaint(text), expected);
        }
        let unknown = complaint("inherits = \"rig-bmu-44\"\n[settings]\ncels = 16");
        assert!(
            unknown.starts_with("own/products/x.toml:5: unknown field `cels`"),
            "{unknown}"
        );
    }
}
