//! What happens to a map file before it is compiled: a block or register written once stands for many, and scale factors
//! get their numbers.
//!
//! A block with `each` stands once for each point that matches it, `stride` registers apart, and its placeholders are
//! filled everywhere in it. `number` counts the points that match and is `{n}` in the block. A block that `follows` begins
//! where the one before it ends, and is left out where it would end behind `up_to`. A row of registers with `stride` has
//! them that far apart.
//!
//! `sf` names a power of ten that the register's value is counted in, and `scale_factor` is the register that says it.
//! Under `[scale_factors]` it is a number, or `"fit"`: the finest that no point of the name outgrows in its range. So a map
//! serves products of all sizes.

use std::collections::BTreeMap;

use toml::Spanned;

use super::file::{BlockSpec, Constant, MapFile, RegisterSpec, ScaleFactor};
use super::number::RegisterType;
use crate::codec::pattern::{self, Captures};
use crate::points::PointTable;
use crate::product::{ProductError, Source};

/// The file with every block and register written out, and every scale factor a number.
///
/// # Errors
/// If keys do not go together, or a scale factor has no number.
pub(super) fn expand(file: MapFile, source: &Source, points: &PointTable) -> Result<MapFile, ProductError> {
    let mut blocks: Vec<BlockSpec> = Vec::new();
    for block in &file.block {
        for (known, base) in instances(block, source, points)? {
            let mut instance = filled(block, &known, base);
            if instance.follows {
                let last = blocks
                    .last()
                    .ok_or_else(|| bad_block(source, &instance, "no block is before it"))?;
                let start = u16::try_from(end(last))
                    .ok()
                    .and_then(|end| end.checked_add(instance.base));
                instance.base =
                    start.ok_or_else(|| bad_block(source, &instance, "it ends after address 65535"))?;
            }
            if block
                .up_to
                .is_some_and(|last| end(&instance) > u32::from(last) + 1)
            {
                break;
            }
            blocks.push(instance);
        }
    }
    let numbers = numbers(&file.scale_factors, &blocks, source, points)?;
    for register in blocks.iter_mut().flat_map(|block| &mut block.register) {
        let span = register.span();
        let spec = register.get_mut();
        for (name, is_register) in [(spec.sf.take(), false), (spec.scale_factor.take(), true)] {
            let Some(name) = name else { continue };
            let exponent = numbers.get(name.get_ref().as_str()).ok_or_else(|| {
                refuse(
                    source,
                    span.clone(),
                    name.get_ref(),
                    "`[scale_factors]` does not name it",
                )
            })?;
            if is_register {
                spec.kind = RegisterType::I16;
                spec.constant = Some(Constant::Number(i64::from(*exponent)));
            } else {
                // A file's scale beside it turns the sign, or counts a percentage as a share.
                spec.scale = Some(spec.scale.unwrap_or(1.0) * power_of_ten(*exponent));
            }
        }
    }
    Ok(MapFile {
        block: blocks,
        ..file
    })
}

/// Where a block stands, once or once for each point that matches, and what its placeholders stand for there.
fn instances(
    block: &BlockSpec,
    source: &Source,
    points: &PointTable,
) -> Result<Vec<(Captures, u16)>, ProductError> {
    let numbered = |known: Captures| match &block.number {
        Some(number) => {
            let n = matching(points, &known.fill(number.get_ref())).len();
            known.merged(&Captures::one("n", n)).unwrap_or(known)
        }
        None => known,
    };
    let all = match (&block.each, block.stride) {
        (None, None) => return Ok(vec![(numbered(Captures::default()), block.base)]),
        (Some(each), Some(_)) => matching(points, each.get_ref()),
        (Some(each), None) if block.follows => matching(points, each.get_ref()),
        _ => {
            let reason = "`each` and `stride` go together, but in a block that follows";
            return Err(bad_block(source, block, reason));
        }
    };
    let stride = block.stride.unwrap_or_default();
    let mut list = Vec::new();
    for (i, captured) in all.into_iter().skip(usize::from(block.from)).enumerate() {
        // One that follows lies directly behind the one before it.
        let step = if block.follows { 0 } else { i * usize::from(stride) };
        let base = u16::try_from(usize::from(block.base) + step)
            .map_err(|_| bad_block(source, block, "it ends after address 65535"))?;
        list.push((numbered(captured), base));
    }
    Ok(list)
}

/// What the placeholders of a name stand for in each point that it matches.
fn matching(points: &PointTable, name: &str) -> Vec<Captures> {
    let (head, _) = name.split_once('{').unwrap_or((name, ""));
    let candidates = points.beginning_with(head).into_iter();
    candidates
        .filter_map(|id| pattern::matches(name, &points.def(id).name))
        .collect()
}

/// The block with its placeholders filled, and rows of registers written out.
fn filled(block: &BlockSpec, known: &Captures, base: u16) -> BlockSpec {
    let text = |text: &Spanned<String>| Spanned::new(text.span(), known.fill(text.get_ref()));
    let register = |register: &Spanned<RegisterSpec>| {
        let spec = register.get_ref();
        let one = RegisterSpec {
            point: spec.point.as_ref().map(text),
            text: spec.text.as_deref().map(|text| known.fill(text)),
            constant: spec.constant.as_ref().map(|constant| constant.filled(known)),
            count: spec.count.as_ref().map(|count| count.filled(known)),
            bits: spec.bits.as_ref().map(|bits| {
                bits.iter()
                    .map(|(bit, point)| (bit.clone(), text(point)))
                    .collect()
            }),
            ..spec.clone()
        };
        let row = match (one.stride, one.row_length()) {
            (Some(stride), Some(count)) => (0..count)
                // one behind the last address is enough to be told of
                .take_while(|i| i.checked_mul(stride).is_some())
                .map(|i| {
                    let nth = Captures::one("i", usize::from(i));
                    RegisterSpec {
                        at: one.at.saturating_add(i * stride),
                        count: None,
                        stride: None,
                        point: one
                            .point
                            .as_ref()
                            .map(|point| Spanned::new(point.span(), nth.fill(point.get_ref()))),
                        ..one.clone()
                    }
                })
                .collect(),
            _ => vec![one],
        };
        row.into_iter()
            .map(|spec| Spanned::new(register.span(), spec))
            .collect::<Vec<_>>()
    };
    BlockSpec {
        name: text(&block.name),
        base,
        each: None,
        number: None,
        length: block.length.or(block.stride),
        register: block.register.iter().flat_map(register).collect(),
        ..block.clone()
    }
}

/// First address behind a block that is written out.
fn end(block: &BlockSpec) -> u32 {
    let registers = block.register.iter().map(|register| {
        let spec = register.get_ref();
        let words =
            spec.words.map_or(spec.kind.words(), u32::from) * u32::from(spec.row_length().unwrap_or(1));
        u32::from(spec.at) + words
    });
    let length = registers
        .max()
        .unwrap_or(0)
        .max(u32::from(block.length.unwrap_or(0)));
    u32::from(block.base) + length
}

/// The exponent of each scale factor.
fn numbers<'a>(
    named: &'a BTreeMap<String, ScaleFactor>,
    blocks: &[BlockSpec],
    source: &Source,
    points: &PointTable,
) -> Result<BTreeMap<&'a str, i8>, ProductError> {
    let mut numbers = BTreeMap::new();
    for (name, factor) in named {
        let exponent = match factor {
            ScaleFactor::Number(exponent) => *exponent,
            ScaleFactor::Fit(_) => {
                let registers = blocks.iter().flat_map(|block| &block.register);
                let users = registers.filter(|register| {
                    register
                        .get_ref()
                        .sf
                        .as_ref()
                        .is_some_and(|sf| sf.get_ref() == name)
                });
                let mut users = users.peekable();
                if users.peek().is_none() {
                    return Err(refuse(source, 0..0, name, "no point has this scale factor"));
                }
                // A point that is not there is told of where it is bound.
                let needed = users.filter_map(|register| finest(register.get_ref(), points));
                needed.max().unwrap_or(0)
            }
        };
        numbers.insert(name.as_str(), exponent);
    }
    Ok(numbers)
}

/// The finest power of ten in which the register can say all that its point's range has.
fn finest(spec: &RegisterSpec, points: &PointTable) -> Option<i8> {
    let name = Captures::one("i", 0).fill(spec.point.as_ref()?.get_ref());
    let def = points.def(points.find(&name)?);
    let largest = def.min.abs().max(def.max.abs()) / spec.scale.unwrap_or(1.0).abs();
    // The last code of a type may stand for "no value".
    let room = spec.kind.range().1 - 1.0;
    (-10..=10).find(|exponent| (largest / power_of_ten(*exponent)).round() <= room)
}

/// Exact for what a file can say: a power of ten, or one over it.
fn power_of_ten(exponent: i8) -> f64 {
    let power = 10_f64.powi(i32::from(exponent.unsigned_abs()));
    if exponent < 0 { 1.0 / power } else { power }
}

fn bad_block(source: &Source, block: &BlockSpec, reason: &str) -> ProductError {
    refuse(source, block.name.span(), block.name.get_ref(), reason)
}

fn refuse(source: &Source, span: core::ops::Range<usize>, name: &str, reason: &str) -> ProductError {
    ProductError::Register {
        place: source.place(span),
        name: name.into(),
        reason: reason.into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use bess_types::Table;

    use super::super::RegisterMap;
    use super::super::entry::Content;
    use crate::points::{PointDef, PointTable};
    use crate::{Library, kinds};

    fn table() -> PointTable {
        let mut table = PointTable::default();
        table.value("power", "W", -60_000.0, 60_000.0);
        table.value("share", "W", 0.0, 20_000.0);
        for k in 0..3 {
            table.value(&format!("curve[{k}].used"), "1", 0.0, 2.0);
            table.row(&format!("curve[{k}].x[{{}}]"), 2, "%", 0.0, 200.0);
            table.row(&format!("curve[{k}].y[{{}}]"), 2, "%", -100.0, 100.0);
        }
        table
    }

    fn addresses(text: &str) -> Vec<(u32, String)> {
        let map = RegisterMap::compile("map.toml", text, &table(), "").unwrap();
        let entries = map.entries(Table::Holding).iter();
        entries.map(|entry| (entry.address, entry.name.clone())).collect()
    }

    fn refusal(text: &str) -> String {
        let error = RegisterMap::compile("map.toml", text, &table(), "").unwrap_err();
        format!("{error}")
    }

    #[test]
    fn a_block_stands_once_for_each_point_and_rows_interleave() {
        let text = r#"
            title = "x"
            [[block]]
            name = "head"
            table = "holding"
            base = 100
            number = "curve[{k}].used"
            register = [ { at = 0, constant = "{2+5n}" }, { at = 1, constant = "{n}" } ]
            [[block]]
            name = "curve {k+1}"
            table = "holding"
            follows = true
            each = "curve[{k}].used"
            from = 1
            stride = 5
            register = [
              { at = 0, point = "curve[{k}].used" },
              { at = 1, count = 2, stride = 2, point = "curve[{k}].x[{i}]" },
              { at = 2, count = 2, stride = 2, point = "curve[{k}].y[{i}]", type = "i16" },
            ]
            [[block]]
            name = "end"
            table = "holding"
            follows = true
            register = [ { at = 0, constant = 0xFFFF } ]
        "#;
        let all = addresses(text);
        let names: Vec<&str> = all.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(
            names[2..7],
            [
                "curve[1].used",
                "curve[1].x[0]",
                "curve[1].y[0]",
                "curve[1].x[1]",
                "curve[1].y[1]"
            ]
        );
        let places: Vec<u32> = all.iter().map(|(address, _)| *address).collect();
        assert_eq!(places, (100..113).collect::<Vec<_>>());
        let map = RegisterMap::compile("map.toml", text, &table(), "").unwrap();
        let Content::Words(words) = &map.entries(Table::Holding)[0].content else {
            panic!("a constant")
        };
        assert_eq!(words, &[17]);
    }

    #[test]
    fn blocks_that_follow_have_the_length_of_their_own_rows_and_end_where_told() {
        let mut table = PointTable::default();
        for (k, cells) in [2, 3, 2].into_iter().enumerate() {
            table.value(&format!("pack[{k}].cells"), "1", 0.0, 255.0);
            table.row(&format!("pack[{k}].cell[{{}}].voltage"), cells, "V", 0.0, 6.0);
        }
        let text = |up_to: u16| {
            format!(
                r#"
            title = "x"
            [[block]]
            name = "head"
            table = "holding"
            base = 100
            register = [ {{ at = 0, constant = 7 }} ]
            [[block]]
            name = "pack {{k+1}}"
            table = "holding"
            follows = true
            each = "pack[{{k}}].cells"
            number = "pack[{{k}}].cell[{{c}}].voltage"
            up_to = {up_to}
            register = [
              {{ at = 0, constant = "{{10*k+n}}" }},
              {{ at = 1, count = "{{n}}", stride = 2, point = "pack[{{k}}].cell[{{i}}].voltage", scale = 0.001 }},
              {{ at = 2, count = "{{n}}", stride = 2, constant = 5 }},
            ]
            [[block]]
            name = "end"
            table = "holding"
            follows = true
            register = [ {{ at = 0, constant = 0xFFFF }} ]
        "#
            )
        };
        let words = |up_to: u16| {
            let map = RegisterMap::compile("map.toml", &text(up_to), &table, "").unwrap();
            let entries = map.entries(Table::Holding).iter();
            let words = entries.map(|entry| match &entry.content {
                Content::Words(words) => (entry.address, u32::from(words[0])),
                _ => (entry.address, 0),
            });
            words.collect::<Vec<_>>()
        };
        let of_pack = |at: u32, k: u32, cells: u32| {
            let cells = (0..cells).flat_map(move |c| [(at + 1 + 2 * c, 0), (at + 2 + 2 * c, 5)]);
            core::iter::once((at, 10 * k)).chain(cells)
        };
        let mut all = vec![(100, 7)];
        all.extend(of_pack(101, 0, 2).map(|(at, word)| (at, if at == 101 { 2 } else { word })));
        all.extend(of_pack(106, 1, 3).map(|(at, word)| (at, if at == 106 { 13 } else { word })));
        let two = [&all[..], &[(113, 0xFFFF)]].concat();
        all.extend(of_pack(113, 2, 2).map(|(at, word)| (at, if at == 113 { 22 } else { word })));
        all.push((118, 0xFFFF));
        assert_eq!(words(117), all);
        assert_eq!(words(116), two, "the third would end at 117");
    }

    #[test]
    fn a_fitted_scale_factor_holds_the_largest_of_its_points() {
        let text = r#"
            title = "x"
            [scale_factors]
            "W" = "fit"
            [[block]]
            name = "b"
            table = "holding"
            register = [
              { at = 0, point = "power", type = "i16", sf = "W" },
              { at = 1, point = "share", sf = "W" },
              { at = 2, scale_factor = "W" },
            ]
        "#;
        let map = RegisterMap::compile("map.toml", text, &table(), "").unwrap();
        let Content::Words(words) = &map.entries(Table::Holding)[2].content else {
            panic!("a constant")
        };
        assert_eq!(words, &[1], "60 kW in 10 W");
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let block = |keys: &str, register: &str| {
            format!(
                "title = \"x\"\n[[block]]\nname = \"b\"\ntable = \"holding\"\n{keys}\nregister = [ {register} ]\n"
            )
        };
        for (text, why) in [
            (block("follows = true", "{ at = 0 }"), "no block is before it"),
            (
                block("each = \"curve[{k}].used\"", "{ at = 0 }"),
                "`each` and `stride`",
            ),
            (
                block("", "{ at = 0, point = \"curve[{i}].used\", count = \"{n}\" }"),
                "count is not a number",
            ),
            (
                block("", "{ at = 0, point = \"power\", sf = \"W\" }"),
                "does not name it",
            ),
            (block("", "{ at = 0, constant = \"{n}\" }"), "not a number"),
        ] {
            assert!(refusal(&text).contains(why), "{}", refusal(&text));
        }
    }

    /// Points whose register has no scale factor in the standard, and counts.
    fn is_whole(def: &PointDef) -> bool {
        let count = def.unit == "1" && (def.max > 1.0 || !def.states.is_empty());
        let bare = def.name == "throttle"
            || [".minimum", ".reference"]
                .iter()
                .any(|end| def.name.ends_with(end));
        count || bare || matches!(def.unit, "s" | "%/s" | "Ah")
    }

    #[test]
    fn no_sunspec_register_cuts_or_coarsens_the_range_of_its_point() {
        let library = Library::shipped();
        let mut seen = 0;
        for id in library.product_ids() {
            let product = library.product(&id).unwrap();
            let sunspec = product
                .registers()
                .is_some_and(|(map, _)| map.get_ref().contains("sunspec") || map.get_ref() == "meter.toml");
            if !sunspec {
                continue;
            }
            let table = kinds::point_table(&product).unwrap();
            let map = RegisterMap::of_product(&product, &library, &table).unwrap();
            for entry in map
                .entries(Table::Holding)
                .iter()
                .filter(|entry| entry.address >= 40_000)
            {
                let Content::Number(point, format) = entry.content else {
                    continue;
                };
                let def = table.def(point);
                let largest = def.min.abs().max(def.max.abs());
                let fits = |value: f64| {
                    let read = format.reading_of(format.bits_of(bess_types::Reading::valid(value)));
                    let exact = read.ok().map(|read| (read - value).abs());
                    exact.is_some_and(|off| off <= 0.001 * largest || is_whole(def) && off <= 1.0)
                };
                let place = format!("{id}: {} at {}", def.name, entry.address);
                if !format.kind.counts_on() {
                    assert!(fits(def.min) && fits(def.max), "{place} saturates");
                }
                let step = (format.multiply / format.divide).abs();
                assert!(
                    is_whole(def) || step <= 0.001_000_1 * largest,
                    "{place} is told in steps of {step} {}",
                    def.unit
                );
                seen += 1;
            }
        }
        assert!(seen > 1000, "{seen} registers");
    }
}
