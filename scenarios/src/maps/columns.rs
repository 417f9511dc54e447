//! Which column of a vendor's list is which, by the usual names of columns.

use super::cells::{self, Written};
use super::sheet::Row;

/// What a column has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Address,
    Function,
    Name,
    Description,
    Type,
    Words,
    /// Value = raw · scale.
    Scale,
    /// Value = raw / gain.
    Gain,
    Offset,
    Unit,
    Access,
    Values,
    Bits,
    Range,
    WordOrder,
    /// At start, in the unit of the value.
    Default,
    /// At start, as a raw value, or the text.
    Constant,
    Invalid,
    Block,
    Mirror,
    Point,
    PointValues,
    PointBits,
    /// Who may write.
    Role,
    /// What a read or a write does besides.
    Effects,
    /// Of no use, and known to be.
    Number,
}

/// Keys as `--column` takes them, each with the usual names of such a column.
const NAMES: &[(Key, &str, &[&str])] = &[
    (
        Key::Address,
        "address",
        &[
            "address",
            "addr",
            "register",
            "reg",
            "register address",
            "reg addr",
            "modbus address",
            "modbus register",
            "start address",
            "starting address",
            "register no",
            "register number",
            "pdu address",
            "protocol address",
            "wire address",
            "address hex",
            "address dec",
            "hex address",
            "adresse",
            "registeradresse",
            "地址",
            "寄存器地址",
            "起始地址",
            "寄存器",
            "寄存器号",
            "modbus地址",
            "startadresse",
            "modbus adresse",
            "register adresse",
            "registernummer",
            "register nr",
            "reg no",
            "reg nr",
            "reg num",
            "reg number",
            "reg adresse",
        ],
    ),
    (
        Key::Function,
        "function",
        &[
            "function",
            "function code",
            "functioncode",
            "fc",
            "func",
            "modbus function",
            "table",
            "register type",
            "reg type",
            "object type",
            "area",
            "功能码",
            "modbus table",
            "寄存器类型",
            "registertyp",
            "tabelle",
            "funktionscode",
        ],
    ),
    (
        Key::Name,
        "name",
        &[
            "name",
            "register name",
            "signal",
            "signal name",
            "parameter",
            "parameter name",
            "variable",
            "variable name",
            "point",
            "point name",
            "data name",
            "item",
            "tag",
            "label",
            "designation",
            "bezeichnung",
            "名称",
            "信号名称",
            "信号",
            "参数",
            "参数名",
            "参数名称",
            "变量",
            "变量名",
            "变量名称",
            "数据名称",
            "项目",
            "bezeichner",
            "signalname",
            "parametername",
            "registername",
            "benennung",
        ],
    ),
    (
        Key::Description,
        "description",
        &[
            "description",
            "desc",
            "remark",
            "remarks",
            "comment",
            "comments",
            "note",
            "notes",
            "explanation",
            "meaning",
            "beschreibung",
            "bemerkung",
            "说明",
            "备注",
            "描述",
            "注释",
            "含义",
            "定义",
            "bemerkungen",
            "kommentar",
            "hinweis",
            "erläuterung",
            "anmerkung",
        ],
    ),
    (
        Key::Type,
        "type",
        &[
            "type",
            "data type",
            "datatype",
            "format",
            "data format",
            "variable type",
            "datentyp",
            "数据类型",
            "类型",
            "typ",
            "datenformat",
            "daten typ",
            "register format",
            "数据格式",
            "格式",
        ],
    ),
    (
        Key::Words,
        "words",
        &[
            "words",
            "length",
            "len",
            "size",
            "quantity",
            "qty",
            "number of registers",
            "no of registers",
            "register count",
            "registers",
            "count",
            "number of words",
            "word count",
            "length words",
            "size words",
            "bytes",
            "length bytes",
            "size bytes",
            "size bits",
            "length bits",
            "长度",
            "数量",
            "寄存器个数",
            "länge",
            "anzahl",
            "anzahl register",
            "anzahl der register",
            "registeranzahl",
            "registerlänge",
            "länge register",
            "寄存器数",
            "寄存器数量",
            "数据长度",
            "字节数",
            "字数",
        ],
    ),
    (
        Key::Scale,
        "scale",
        &[
            "scale",
            "scaling",
            "factor",
            "scale factor",
            "scaling factor",
            "multiplier",
            "resolution",
            "coefficient",
            "ratio",
            "lsb",
            "faktor",
            "skalierung",
            "比例",
            "系数",
            "分辨率",
            "精度",
            "倍率",
            "比例系数",
            "缩放",
            "缩放系数",
            "缩放因子",
            "skalierungsfaktor",
            "auflösung",
            "multiplikator",
        ],
    ),
    (
        Key::Gain,
        "gain",
        &["gain", "divisor", "divider", "divide by", "teiler", "增益"],
    ),
    (
        Key::Offset,
        "offset",
        &["offset", "value offset", "bias", "versatz", "偏移", "偏移量"],
    ),
    (
        Key::Unit,
        "unit",
        &[
            "unit",
            "units",
            "uom",
            "engineering unit",
            "eng unit",
            "einheit",
            "单位",
            "maßeinheit",
        ],
    ),
    (
        Key::Access,
        "access",
        &[
            "access",
            "rw",
            "r w",
            "read write",
            "access type",
            "attribute",
            "attr",
            "attributes",
            "permission",
            "property",
            "zugriff",
            "zugriffsart",
            "zugriffsrecht",
            "lesen schreiben",
            "rechte",
            "rights",
            "permissions",
            "读写类型",
            "读写权限",
            "访问",
            "权限",
            "读写",
            "属性",
            "读写属性",
        ],
    ),
    (
        Key::Values,
        "values",
        &[
            "values",
            "enum",
            "enumeration",
            "value list",
            "options",
            "states",
            "coding",
            "value names",
            "取值",
            "werte",
            "zustände",
            "wertezuordnung",
            "枚举",
        ],
    ),
    (
        Key::Bits,
        "bits",
        &[
            "bits",
            "bit",
            "bit names",
            "bit no",
            "bit number",
            "bit definition",
            "bitfield",
            "位",
        ],
    ),
    (
        Key::Range,
        "range",
        &[
            "range",
            "value range",
            "valid range",
            "wertebereich",
            "范围",
            "bereich",
            "数据范围",
            "取值范围",
        ],
    ),
    (
        Key::WordOrder,
        "word-order",
        &[
            "word order",
            "byte order",
            "endian",
            "endianness",
            "register order",
            "wortfolge",
            "wortreihenfolge",
            "byte reihenfolge",
            "字节序",
            "字序",
        ],
    ),
    (
        Key::Default,
        "default",
        &[
            "default",
            "default value",
            "initial value",
            "start value",
            "factory setting",
            "默认值",
            "standardwert",
            "vorgabe",
            "vorgabewert",
            "初始值",
        ],
    ),
    (Key::Constant, "constant", &["raw constant"]),
    (
        Key::Invalid,
        "invalid",
        &["invalid", "invalid raw", "invalid value", "not available"],
    ),
    (Key::Block, "block", &["block", "group", "section", "category"]),
    (Key::Mirror, "mirrored", &["mirrored"]),
    (Key::Point, "point", &["bessrig point"]),
    (Key::PointValues, "point-values", &["bessrig values"]),
    (Key::PointBits, "point-bits", &["bessrig bits"]),
    (Key::Role, "role", &["bessrig role"]),
    (Key::Effects, "effects", &["bessrig effects"]),
    (
        Key::Number,
        "number",
        &[
            "no",
            "nr",
            "index",
            "s n",
            "sn",
            "seq",
            "item no",
            "lfd nr",
            "序号",
            "编号",
            "bessrig states",
        ],
    ),
];

/// A column picked by hand: `KEY=NAME`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Picked {
    pub(crate) key: Key,
    pub(crate) name: String,
}

impl core::str::FromStr for Picked {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let keys = || {
            let names: Vec<_> = NAMES.iter().map(|(_, name, _)| *name).collect();
            names.join(", ")
        };
        let (key, name) = text
            .split_once('=')
            .ok_or_else(|| format!("write KEY=NAME, where KEY is one of {}", keys()))?;
        let found = NAMES.iter().find(|(_, known, _)| *known == key.trim());
        let (key, ..) = found.ok_or_else(|| format!("there is no key `{key}`; keys are {}", keys()))?;
        Ok(Self {
            key: *key,
            name: name.trim().to_owned(),
        })
    }
}

impl Picked {
    /// Whether this is its head.
    pub(crate) fn is(&self, head: &str) -> bool {
        plain(&self.name) == plain(head)
    }
}

/// What a column of addresses says of a row that is not read for its address.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Beside {
    pub(super) head: String,
    /// As in the list.
    pub(super) text: String,
    pub(super) written: Written,
}

/// The columns of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Columns {
    /// Heads as they stand.
    pub(crate) heads: Vec<String>,
    keys: Vec<Option<Key>>,
}

impl Columns {
    /// Reads a row as the head of a list; nothing if it is none.
    pub(crate) fn of(row: &Row, picked: &[Picked]) -> Option<Self> {
        let by_hand = |head: &str| {
            let found = picked.iter().find(|picked| picked.is(head));
            found.map(|picked| picked.key)
        };
        let guesses: Vec<_> = row.cells.iter().map(|head| guess(head)).collect();
        let mut keys: Vec<Option<Key>> = row.cells.iter().map(|head| by_hand(head)).collect();
        // The better the name fits, the earlier it has its choice; of equals the first.
        let mut order: Vec<usize> = (0..guesses.len()).collect();
        order.sort_by_key(|&at| core::cmp::Reverse(guesses[at].map_or(0, |(_, fit)| fit)));
        for at in order {
            let Some((key, _)) = guesses[at] else { continue };
            if keys[at].is_some() {
                continue;
            }
            let is_free = !keys.contains(&Some(key));
            let is_picked = picked.iter().any(|picked| picked.key == key);
            if is_free || key == Key::Number || key.may_be_several() && !is_picked {
                keys[at] = Some(key);
            }
        }
        if !keys.contains(&Some(Key::Address))
            && let Some(offset) = keys.iter_mut().find(|key| **key == Some(Key::Offset))
        {
            // "offset" is an address where nothing else is
            *offset = Some(Key::Address);
        }
        let known = keys.iter().flatten().filter(|key| **key != Key::Number).count();
        (keys.contains(&Some(Key::Address)) && known >= 2).then(|| Self {
            heads: row.cells.clone(),
            keys,
        })
    }

    /// How many columns a row would name as the head of a list.
    pub(crate) fn score(row: &Row, picked: &[Picked]) -> usize {
        Self::of(row, picked).map_or(0, |columns| columns.keys.iter().flatten().count())
    }

    /// Keys and heads of the columns that are known, in order.
    pub(crate) fn known(&self) -> impl Iterator<Item = (Key, &str)> {
        let heads = self.heads.iter().map(String::as_str);
        self.keys
            .iter()
            .zip(heads)
            .filter_map(|(key, head)| Some(((*key)?, head)))
    }

    /// Heads of the columns nobody knows.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = (usize, &str)> {
        let heads = self.heads.iter().map(String::as_str).enumerate();
        heads.filter(|(at, head)| self.keys[*at].is_none() && !head.is_empty())
    }

    /// Columns nobody reads because another one has their key: place, head, key.
    pub(crate) fn second(&self) -> impl Iterator<Item = (usize, &str, Key)> {
        self.unknown()
            .filter_map(|(at, head)| Some((at, head, guess(head)?.0)))
            .filter(|(_, _, key)| self.has(*key))
    }

    /// Addresses of a row in columns other than the one that is read, as where a list has them hexadecimal and decimal.
    pub(super) fn addresses_beside(&self, row: &Row) -> Vec<Beside> {
        let is_one = |head: &str| {
            let words = plain(head);
            let is_form = words.split(' ').any(|word| FORMS.contains(&word));
            is_form || guess(head).is_some_and(|(key, _)| key == Key::Address)
        };
        let others = self.unknown().filter(|(_, head)| is_one(head));
        others
            .filter_map(|(at, head)| {
                let text = row.cells.get(at)?;
                Some(Beside {
                    head: head.replace('\n', " "),
                    text: text.clone(),
                    written: cells::address(text, is_hexadecimal(head))?,
                })
            })
            .collect()
    }

    pub(crate) fn has(&self, key: Key) -> bool {
        self.keys.contains(&Some(key))
    }

    /// Head of the column of a key.
    pub(crate) fn head(&self, key: Key) -> &str {
        self.known()
            .find(|(known, _)| *known == key)
            .map_or("", |(_, head)| head)
    }

    /// The cell of a row; empty if there is no such column. Of several columns the first that has something.
    pub(crate) fn cell<'a>(&self, row: &'a Row, key: Key) -> &'a str {
        self.texts(row, key).first().copied().unwrap_or_default()
    }

    /// What all columns of a key have in a row, in their order.
    pub(crate) fn texts<'a>(&self, row: &'a Row, key: Key) -> Vec<&'a str> {
        let cells = self.keys.iter().zip(&row.cells);
        let cells = cells.filter(|(known, cell)| **known == Some(key) && !cell.is_empty());
        cells.map(|(_, cell)| cell.as_str()).collect()
    }
}

impl Key {
    /// Whether a list may have several such columns: texts, which are all read.
    fn may_be_several(self) -> bool {
        matches!(self, Self::Description | Self::Values | Self::Range)
    }

    /// As `--column` takes it.
    pub(crate) fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(key, ..)| *key == self)
            .map_or("", |(_, name, _)| name)
    }
}

/// Words of heads that say how addresses are written.
const FORMS: [&str; 8] = [
    "hex",
    "dec",
    "hexadecimal",
    "decimal",
    "hexadezimal",
    "dezimal",
    "十六进制",
    "十进制",
];

/// Whether a head says that numbers below it are hexadecimal.
pub(super) fn is_hexadecimal(head: &str) -> bool {
    let head = head.to_lowercase();
    ["hex", "十六进制", "16进制"]
        .iter()
        .any(|word| head.contains(word))
}

/// Lower-case words.
fn plain(head: &str) -> String {
    let mut text = String::new();
    for word in head
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        if !text.is_empty() {
            text.push(' ');
        }
        text.extend(word.chars().flat_map(char::to_lowercase));
    }
    text
}

/// What a head may mean, and how well it fits: the whole name, the name before parentheses, then the words it ends with.
fn guess(head: &str) -> Option<(Key, usize)> {
    let whole = plain(head);
    let outside = head
        .split(['(', '[', '（', '\n', '/'])
        .next()
        .map(plain)
        .unwrap_or_default();
    if whole.is_empty() {
        return None;
    }
    let mut best: Option<(Key, usize)> = None;
    for (key, _, names) in NAMES {
        for (rank, name) in names.iter().enumerate() {
            // An earlier name of a list is a better one.
            let better = 100 - rank.min(99);
            let fit = if whole == *name {
                3000 + better
            } else if outside == *name {
                2000 + better
            } else if outside.ends_with(&format!(" {name}")) {
                1000 + name.len()
            } else {
                continue;
            };
            if best.is_none_or(|(_, other)| fit > other) {
                best = Some((*key, fit));
            }
        }
    }
    best
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    fn keys(heads: &[&str]) -> Vec<(Key, String)> {
        let row = Row {
            number: 1,
            cells: heads.iter().map(|&head| head.to_owned()).collect(),
        };
        let columns = Columns::of(&row, &["gain=Ratio".parse().unwrap()]).unwrap();
        columns
            .known()
            .map(|(key, head)| (key, head.to_owned()))
            .collect()
    }

    #[test]
    fn heads_are_known_by_their_usual_names() {
        for (heads, expected) in [
            (
                &[
                    "No.",
                    "Register address (dec)",
                    "Signal Name",
                    "R/W",
                    "Data type",
                    "Unit",
                    "Gain",
                    "Number of registers",
                    "Scope",
                ][..],
                &[
                    Key::Number,
                    Key::Address,
                    Key::Name,
                    Key::Access,
                    Key::Type,
                    Key::Unit,
                    Key::Gain,
                    Key::Words,
                ][..],
            ),
            (
                &[
                    "Reg",
                    "FC",
                    "Description",
                    "Format",
                    "Length",
                    "Ratio",
                    "Offset",
                    "Enum",
                ],
                &[
                    Key::Address,
                    Key::Function,
                    Key::Description,
                    Key::Type,
                    Key::Words,
                    Key::Gain,
                    Key::Offset,
                    Key::Values,
                ],
            ),
            (&["Offset", "Name", "Type"], &[Key::Address, Key::Name, Key::Type]),
            (
                &["地址", "名称", "数据类型", "系数", "单位", "读写", "备注"],
                &[
                    Key::Address,
                    Key::Name,
                    Key::Type,
                    Key::Scale,
                    Key::Unit,
                    Key::Access,
                    Key::Description,
                ],
            ),
            (
                &[
                    "Adresse",
                    "Bezeichnung",
                    "Typ",
                    "Länge",
                    "Faktor",
                    "Einheit",
                    "Zugriff",
                    "Bereich",
                    "Bemerkung",
                ],
                &[
                    Key::Address,
                    Key::Name,
                    Key::Type,
                    Key::Words,
                    Key::Scale,
                    Key::Unit,
                    Key::Access,
                    Key::Range,
                    Key::Description,
                ],
            ),
            (
                &["Register", "Datentyp", "Skalierung", "Attr"],
                &[Key::Address, Key::Type, Key::Scale, Key::Access],
            ),
            (&["Reg", "Format", "R/W"], &[Key::Address, Key::Type, Key::Access]),
            (&["Reg. no", "Format"], &[Key::Address, Key::Type]),
            (
                &["No.", "Reg. No.", "Name"],
                &[Key::Number, Key::Address, Key::Name],
            ),
            (
                &["Nr.", "Reg.-Nr.", "Bezeichnung"],
                &[Key::Number, Key::Address, Key::Name],
            ),
            (
                &["Addr", "Name", "Attribute"],
                &[Key::Address, Key::Name, Key::Access],
            ),
            (
                &["Addr", "Description", "Scale", "Factor", "Notes"],
                &[Key::Address, Key::Description, Key::Scale, Key::Description],
            ),
        ] {
            let found: Vec<Key> = keys(heads).into_iter().map(|(key, _)| key).collect();
            assert_eq!(found, expected, "{heads:?}");
        }
        let both = keys(&["Register", "Address", "Name"]);
        assert_eq!(
            both[0],
            (Key::Address, "Address".to_owned()),
            "the better name wins"
        );
    }

    #[test]
    fn a_row_of_data_is_no_head() {
        let row = |cells: &[&str]| Row {
            number: 1,
            cells: cells.iter().map(|&cell| cell.to_owned()).collect(),
        };
        assert_eq!(
            Columns::of(&row(&["40001", "Grid voltage", "U16", "V"]), &[]),
            None
        );
        assert_eq!(Columns::of(&row(&["Register list of the PCS"]), &[]), None);
    }
}
