//! A catalog as a drawing: solid for what was written, dashed for what a type implies, bold for a refresh.

use crate::catalog::Catalog;
use crate::catalog::graph::EdgeKind;
use std::fmt::Write as _;

/// For Graphviz.
pub fn dot(catalog: &Catalog) -> String {
    let mut out = format!("digraph {} {{\n  rankdir=LR;\n  node [shape=box];\n", quoted(&catalog.host));
    for (n, resource) in catalog.resources.iter().enumerate() {
        let _ = writeln!(out, "  r{n} [label={}];", quoted(&resource.id.to_string()));
    }
    for (a, b, edge) in sorted(catalog) {
        let style = match edge {
            EdgeKind::Require => "",
            EdgeKind::Implied => " [style=dashed]",
            EdgeKind::Notify => " [style=bold, label=refresh]",
        };
        let _ = writeln!(out, "  r{a} -> r{b}{style};");
    }
    out + "}\n"
}

/// For Mermaid, which Markdown pages show.
pub fn mermaid(catalog: &Catalog) -> String {
    let mut out = "graph LR\n".to_owned();
    for (n, resource) in catalog.resources.iter().enumerate() {
        let label = resource.id.to_string().replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;");
        let _ = writeln!(out, "  r{n}[\"{label}\"]");
    }
    for (a, b, edge) in sorted(catalog) {
        let arrow = match edge {
            EdgeKind::Require => "-->",
            EdgeKind::Implied => "-.->",
            EdgeKind::Notify => "==>|refresh|",
        };
        let _ = writeln!(out, "  r{a} {arrow} r{b}");
    }
    out
}

fn sorted(catalog: &Catalog) -> Vec<(usize, usize, EdgeKind)> {
    let mut edges: Vec<_> = catalog.graph.edges().map(|(a, b, e)| (a, b, e.kind)).collect();
    edges.sort_by_key(|(a, b, kind)| (*a, *b, kind.as_str()));
    edges
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
