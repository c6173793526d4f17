//! One source map, read: [ECMA-426](https://tc39.es/ecma426/).

use serde::Deserialize;

/// Which place of a source each place of a file was written at. Lines and columns are from 0, columns in UTF-16 units.
#[derive(Default)]
pub struct Map {
    /// In the order of their places in the file.
    tokens: Vec<Token>,
    pub sources: Vec<Source>,
    names: Vec<String>,
}

pub struct Source {
    /// As the map has it, behind its root.
    pub name: String,
    pub text: Option<String>,
}

/// From its place to that of the next token, the file was written at one place of a source.
#[derive(Clone, Copy)]
pub struct Token {
    pub line: u32,
    pub column: u32,
    /// Unknown where a tool put something in between.
    pub written: Option<Written>,
    name: Option<u32>,
}

#[derive(Clone, Copy)]
pub struct Written {
    /// An index of [`Map::sources`].
    pub source: usize,
    pub line: u32,
    pub column: u32,
}

/// Both kinds of maps; each has the fields of its own.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Json {
    version: u32,
    mappings: String,
    source_root: Option<String>,
    sources: Vec<Option<String>>,
    sources_content: Option<Vec<Option<String>>>,
    names: Vec<String>,
    sections: Vec<Section>,
}

#[derive(Deserialize)]
struct Section {
    offset: Offset,
    map: Json,
}

#[derive(Deserialize)]
struct Offset {
    line: u32,
    column: u32,
}

impl Map {
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        // A server may put a line in front that keeps browsers from running the map as a script.
        let bytes = match bytes {
            [b')', b']', b'}', ..] => bytes.splitn(2, |&byte| byte == b'\n').nth(1).unwrap_or_default(),
            _ => bytes,
        };
        let json: Json = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if json.version != 3 {
            return Err(format!("it has version {}, not 3", json.version));
        }
        let mut map = Self::default();
        if json.sections.is_empty() {
            map.add(&Offset { line: 0, column: 0 }, json)?;
        } else {
            json.sections.into_iter().try_for_each(|section| map.add(&section.offset, section.map))?;
        }
        map.tokens.sort_by_key(|token| (token.line, token.column));
        Ok(map)
    }

    /// Adds what a section says, which begins at a place of the file.
    fn add(&mut self, from: &Offset, json: Json) -> Result<(), String> {
        let (first_source, first_name) = (self.sources.len(), self.names.len() as u32);
        let root = json.source_root.filter(|root| !root.is_empty()).map(|root| root + "/").unwrap_or_default();
        let mut texts = json.sources_content.unwrap_or_default().into_iter();
        let is_known: Vec<_> = json.sources.iter().map(Option::is_some).collect();
        self.sources.extend(json.sources.into_iter().map(|source| Source {
            name: source.map(|source| format!("{root}{source}")).unwrap_or_default(),
            text: texts.next().flatten(),
        }));
        let names = json.names.len();
        self.names.extend(json.names);
        // All but the column begin where the segment before has them, in a line above too.
        let [mut source, mut source_line, mut source_column, mut name] = [0; 4];
        for (line, segments) in (0u32..).zip(json.mappings.split(';')) {
            let mut column = 0;
            for segment in segments.split(',').filter(|segment| !segment.is_empty()) {
                let at = |error: String| format!("line {}: {error}", line + 1);
                let fields = Fields::read(segment).map_err(at)?;
                step(&mut column, fields.column).map_err(at)?;
                let mut written = None;
                if let Some(place) = fields.place {
                    step(&mut source, place.source).map_err(at)?;
                    step(&mut source_line, place.line).map_err(at)?;
                    step(&mut source_column, place.column).map_err(at)?;
                    let is_known = is_known.get(source as usize);
                    let &is_known = is_known.ok_or_else(|| at(format!("there is no source {source}")))?;
                    let source = first_source + source as usize;
                    written = is_known.then_some(Written { source, line: source_line, column: source_column });
                }
                if let Some(by) = fields.name {
                    step(&mut name, by).map_err(at)?;
                    if name as usize >= names {
                        return Err(at(format!("there is no name {name}")));
                    }
                }
                self.tokens.push(Token {
                    line: from.line.saturating_add(line),
                    column: column.saturating_add(if line == 0 { from.column } else { 0 }),
                    written,
                    name: fields.name.map(|_| first_name + name),
                });
            }
        }
        Ok(())
    }

    /// All tokens, in the order of their places in the file.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The token that a place belongs to, in the same line.
    pub fn at(&self, line: u32, column: u32) -> Option<&Token> {
        let behind = self.tokens.partition_point(|token| (token.line, token.column) <= (line, column));
        self.tokens[..behind].last().filter(|token| token.line == line)
    }

    /// What the source has, where the file has another name.
    pub fn name(&self, token: &Token) -> Option<&str> {
        token.name.map(|id| &*self.names[id as usize])
    }
}

/// A segment of `mappings`: differences to the segment before.
struct Fields {
    column: i64,
    place: Option<Place>,
    name: Option<i64>,
}

struct Place {
    source: i64,
    line: i64,
    column: i64,
}

impl Fields {
    fn read(segment: &str) -> Result<Self, String> {
        let bytes = &mut segment.bytes();
        let mut fields = [0; 5];
        let mut count = 0;
        while bytes.len() > 0 {
            let field = fields.get_mut(count).ok_or("a segment has more than five fields")?;
            *field = vlq::decode(bytes).map_err(|error| format!("a segment is no numbers: {error:?}"))?;
            count += 1;
        }
        let [column, source, line, source_column, name] = fields;
        if ![1, 4, 5].contains(&count) {
            return Err(format!("a segment has {count} fields, not 1, 4 or 5"));
        }
        Ok(Self {
            column,
            place: (count > 1).then_some(Place { source, line, column: source_column }),
            name: (count == 5).then_some(name),
        })
    }
}

fn step(value: &mut u32, by: i64) -> Result<(), String> {
    let stepped = i64::from(*value).checked_add(by).and_then(|sum| u32::try_from(sum).ok());
    *value = stepped.ok_or("a place is out of range")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(map: &Map, line: u32, column: u32) -> Option<(&str, u32, u32, Option<&str>)> {
        let token = map.at(line, column)?;
        let written = token.written?;
        Some((&map.sources[written.source].name, written.line, written.column, map.name(token)))
    }

    #[test]
    fn sections_begin_at_their_places() {
        let section = |line, column, source, name| {
            format!(
                r#"{{"offset": {{"line": {line}, "column": {column}}}, "map": {{"version": 3, "sources": ["{source}"],
                "names": ["{name}"], "mappings": "AACEA;EAAC"}}}}"#
            )
        };
        let text = format!(
            r#"{{"version": 3, "sections": [{}, {}]}}"#,
            section(0, 4, "a.ts", "one"),
            section(2, 8, "b.ts", "two")
        );
        let map = Map::parse(text.as_bytes()).unwrap();
        assert_eq!(place(&map, 0, 3), None);
        assert_eq!(place(&map, 0, 4), Some(("a.ts", 1, 2, Some("one"))));
        assert_eq!(place(&map, 1, 1), None);
        assert_eq!(place(&map, 1, 2), Some(("a.ts", 1, 3, None)));
        assert_eq!(place(&map, 2, 9), Some(("b.ts", 1, 2, Some("two"))));
        assert_eq!(place(&map, 3, 2), Some(("b.ts", 1, 3, None)));
    }

    #[test]
    fn sources_have_their_root_and_may_be_unknown() {
        let text = br#")]}'
            {"version": 3, "sourceRoot": "/srv", "sources": [null, "a.ts"], "sourcesContent": [null, "text"],
            "names": [], "mappings": "AAAA,CCAC"}"#;
        let map = Map::parse(text).unwrap();
        assert_eq!(place(&map, 0, 0), None);
        assert_eq!(place(&map, 0, 5), Some(("/srv/a.ts", 0, 1, None)));
        assert_eq!(map.sources[1].text.as_deref(), Some("text"));
    }

    #[test]
    fn what_is_no_map_is_refused() {
        let why = |text: &str| Map::parse(text.as_bytes()).err().unwrap();
        assert!(why("{").contains("EOF"));
        assert_eq!(why("{}"), "it has version 0, not 3");
        let mappings =
            |mappings: &str| why(&format!(r#"{{"version": 3, "sources": ["a"], "mappings": "{mappings}"}}"#));
        assert_eq!(mappings(";ACAA"), "line 2: there is no source 1");
        assert_eq!(mappings("AAAAA"), "line 1: there is no name 0");
        assert_eq!(mappings("AA"), "line 1: a segment has 2 fields, not 1, 4 or 5");
        assert_eq!(mappings("AAAAAA"), "line 1: a segment has more than five fields");
        assert_eq!(mappings("A,D"), "line 1: a place is out of range");
        assert_eq!(mappings("ggggggggggggggggA"), "line 1: a segment is no numbers: Overflow");
        assert_eq!(mappings("!"), "line 1: a segment is no numbers: InvalidBase64(33)");
        assert_eq!(mappings("g"), "line 1: a segment is no numbers: UnexpectedEof");
    }
}
