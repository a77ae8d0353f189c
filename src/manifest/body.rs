//! What a file's contents come to.

use super::play::Declaration;
use super::project::Project;
use crate::language::de::plain_text;
use crate::language::diagnostic::{Diagnostic, did_you_mean};
use crate::language::node::{Mapping, Yaml};
use crate::language::scope::Scope;
use crate::model::body::Body;

/// What `content`, `source` or `template` come to.
pub(super) fn of(
    project: &Project,
    d: &Declaration,
    params: &Mapping,
    scope: &Scope,
) -> Result<Option<Body>, Diagnostic> {
    let of = |name: &str| params.iter().find(|(k, _)| k.value == name).filter(|(_, v)| v.value != Yaml::Null);
    let given: Vec<_> = ["content", "source", "template"].iter().filter_map(|n| of(n)).collect();
    let [(key, value)] = given.as_slice() else {
        let (Some((first, _)), Some((second, _))) = (given.first(), given.get(1)) else { return Ok(None) };
        return Err(Diagnostic::error(
            "contents given twice",
            Some(second.span),
            format!("`{}` as well", second.value),
        )
        .related(first.span, "given here already")
        .help("a file has one of content, source and template"));
    };
    // What is no string is told when the parameters are typed.
    let Some(text) = plain_text(value) else { return Ok(None) };
    if key.value != "content" && value.secret {
        let d = Diagnostic::error(
            "a secret in the open",
            Some(value.span),
            format!("the name of a {} is shown", key.value),
        );
        return Err(d.help("what is secret stands in the file, and not in its name"));
    }
    let own = d.module.as_ref().map(|m| format!("{m}:{text}"));
    match key.value.as_str() {
        "content" => Ok(Some(Body::held(text.into_bytes(), value.secret))),
        "template" => {
            let templates = &project.templates;
            let name = own.filter(|n| templates.has(n)).unwrap_or_else(|| text.clone());
            if !templates.has(&name) {
                let folder = d.module.as_ref().map_or("templates/".into(), |m| format!("modules/{m}/templates/"));
                let e =
                    Diagnostic::error("template not found", Some(value.span), format!("there is no {folder}{text}"));
                let names: Vec<_> = templates.names().map(|n| n.rsplit(':').next().unwrap_or(n)).collect();
                return Err(match did_you_mean(&text, names) {
                    Some(near) => e.help(format!("did you mean `{near}`?")),
                    None => e,
                });
            }
            let (rendered, secret) =
                templates.render_file(&name, scope).map_err(|e| e.related(value.span, "rendered for this"))?;
            Ok(Some(Body::held(rendered.into_bytes(), secret)))
        }
        _ => {
            let files = &project.files;
            match own.and_then(|n| files.get(&n)).or_else(|| files.get(&text)) {
                Some(file) => file.body(&project.templates.keyring, value.span).map(Some),
                None => {
                    let folder = d.module.as_ref().map_or("files/".into(), |m| format!("modules/{m}/files/"));
                    let told = match text.starts_with('/') {
                        true => "a source is no absolute path".to_owned(),
                        false => format!("there is no {folder}{text}"),
                    };
                    Err(Diagnostic::error("source not found", Some(value.span), told).help(
                        "what a source names stands in the folder `files` beside the manifest, or in the module's own",
                    ))
                }
            }
        }
    }
}
