//! Which module of a crate imports which, from every `use`, every `super::` and `crate::` path, and every re-export.
//!
//! A name that a module re-exports belongs to the module that defines it: importing it from either is the same edge.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::Visit;

/// The modules of one crate: the path of each (`engine::plan`, and an empty one for the root) with its source.
pub type Modules = BTreeMap<String, String>;

/// Who imports from whom.
pub type Edges = BTreeMap<String, BTreeSet<String>>;

/// The modules of the crate whose sources lie in `folder` (`saga/src`), from `files` as (path, source).
pub fn modules<'f>(folder: &str, files: impl IntoIterator<Item = (&'f str, &'f str)>) -> Modules {
    let module = |(path, source): (&str, &str)| {
        let inside = path.strip_prefix(folder)?.strip_prefix('/')?.strip_suffix(".rs")?;
        let parts: Vec<&str> = inside.split('/').filter(|part| *part != "mod").collect();
        let is_root = matches!(parts.as_slice(), ["lib" | "main"]);
        Some((if is_root { String::new() } else { parts.join("::") }, source.to_owned()))
    };
    files.into_iter().filter_map(module).collect()
}

/// Every import inside of the crate, re-exports resolved.
///
/// # Panics
/// If a source is not Rust.
pub fn edges(modules: &Modules) -> Edges {
    let parsed: BTreeMap<&String, Found> =
        modules.iter().map(|(name, source)| (name, Found::of(name, source))).collect();
    let mut edges = Edges::new();
    for (name, found) in &parsed {
        for path in &found.paths {
            let Some(target) = resolve(&parsed, path, 0) else { continue };
            if target != **name {
                edges.entry((*name).clone()).or_default().insert(target);
            }
        }
    }
    edges
}

/// The groups of modules that import each other in a circle, each sorted.
pub fn circles(edges: &Edges) -> Vec<Vec<String>> {
    let reach = |from: &String| {
        let (mut seen, mut todo) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(next) = todo.pop() {
            for target in edges.get(&next).into_iter().flatten() {
                if seen.insert(target.clone()) {
                    todo.push(target.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&String, BTreeSet<String>> = edges.keys().map(|name| (name, reach(name))).collect();
    let mut circles: Vec<Vec<String>> = Vec::new();
    for (name, seen) in &reached {
        if !seen.contains(*name) || circles.iter().any(|circle| circle.contains(name)) {
            continue;
        }
        let mutual = |other: &&String| reached.get(*other).is_some_and(|back| back.contains(*name));
        let mut circle: Vec<String> = seen.iter().filter(mutual).cloned().collect();
        circle.sort();
        circles.push(circle);
    }
    circles
}

/// What one module says.
struct Found {
    /// Paths from the crate's root that it imports or names.
    paths: BTreeSet<Vec<String>>,
    /// Names that it imports: where from. A re-export is one of them.
    imports: BTreeMap<String, Vec<String>>,
    /// Names that it defines.
    defines: BTreeSet<String>,
}

impl Found {
    fn of(module: &str, source: &str) -> Self {
        let file = syn::parse_file(source).unwrap_or_else(|error| panic!("{module}: {error}"));
        let here: Vec<String> =
            module.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let mut visitor = Visitor {
            here,
            found: Self { paths: BTreeSet::new(), imports: BTreeMap::new(), defines: BTreeSet::new() },
        };
        visitor.visit_file(&file);
        visitor.found
    }
}

/// The module that defines what `path` names.
fn resolve(parsed: &BTreeMap<&String, Found>, path: &[String], depth: usize) -> Option<String> {
    // Re-exports of re-exports end soon; a circle of them never would.
    if depth > 8 {
        return None;
    }
    let module =
        (0..=path.len()).rev().map(|len| path[..len].join("::")).find(|name| parsed.contains_key(name))?;
    let used = if module.is_empty() { 0 } else { module.split("::").count() };
    let found = &parsed[&module];
    match path.get(used) {
        Some(name) if !found.defines.contains(name) => match found.imports.get(name) {
            Some(from) if from != path => resolve(parsed, from, depth + 1).or(Some(module)),
            Some(_) | None => Some(module),
        },
        Some(_) | None => Some(module),
    }
}

struct Visitor {
    here: Vec<String>,
    found: Found,
}

impl Visitor {
    /// `path` from the crate's root; `None` when it leads out of the crate.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let mut base = match path.first()?.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => self.here.clone(),
            _ => return None,
        };
        for part in path {
            match part.as_str() {
                "crate" | "self" => {}
                "super" => {
                    base.pop()?;
                }
                name => base.push(name.to_owned()),
            }
        }
        Some(base)
    }

    fn import(&mut self, tree: &syn::UseTree, prefix: &mut Vec<String>) {
        match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.import(&path.tree, prefix);
                prefix.pop();
            }
            syn::UseTree::Name(name) => self.named(&name.ident.to_string(), None, prefix),
            syn::UseTree::Rename(name) => {
                self.named(&name.ident.to_string(), Some(name.rename.to_string()), prefix);
            }
            syn::UseTree::Glob(_) => {
                if let Some(path) = self.imported(prefix) {
                    self.found.paths.insert(path);
                }
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, prefix);
                }
            }
        }
    }

    fn named(&mut self, name: &str, rename: Option<String>, prefix: &[String]) {
        let mut path = prefix.to_vec();
        if name != "self" {
            path.push(name.to_owned());
        }
        let Some(path) = self.imported(&path) else { return };
        let known_as = rename.or_else(|| path.last().cloned()).unwrap_or_default();
        self.found.imports.insert(known_as, path.clone());
        self.found.paths.insert(path);
    }

    /// An import may begin with a module of this very one: `mod child; use child::Thing;`.
    fn imported(&self, path: &[String]) -> Option<Vec<String>> {
        self.absolute(path).or_else(|| {
            let first = path.first()?;
            self.found.defines.contains(&format!("mod {first}")).then(|| [&self.here[..], path].concat())
        })
    }
}

impl<'ast> Visit<'ast> for Visitor {
    fn visit_file(&mut self, file: &'ast syn::File) {
        for item in &file.items {
            match item {
                syn::Item::Mod(item) if item.content.is_none() => {
                    self.found.defines.insert(format!("mod {}", item.ident));
                }
                syn::Item::Struct(item) => drop(self.found.defines.insert(item.ident.to_string())),
                syn::Item::Enum(item) => drop(self.found.defines.insert(item.ident.to_string())),
                syn::Item::Trait(item) => drop(self.found.defines.insert(item.ident.to_string())),
                syn::Item::Fn(item) => drop(self.found.defines.insert(item.sig.ident.to_string())),
                syn::Item::Const(item) => drop(self.found.defines.insert(item.ident.to_string())),
                syn::Item::Static(item) => drop(self.found.defines.insert(item.ident.to_string())),
                syn::Item::Type(item) => drop(self.found.defines.insert(item.ident.to_string())),
                _ => {}
            }
        }
        syn::visit::visit_file(self, file);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        // Tests inside of a file may use all of it; their `super` is the file itself.
        if item.content.is_none() {
            syn::visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.import(&item.tree, &mut Vec::new());
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {
        // `pub(in crate::flows)` imports nothing.
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if parts.len() > 1
            && let Some(path) = self.absolute(&parts)
        {
            self.found.paths.insert(path);
        }
        syn::visit::visit_path(self, path);
    }
}
