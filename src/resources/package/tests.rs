//! What a host's answer comes to, all packages together.

use super::*;
use crate::model::id::ResourceId;
use crate::shell::steps::Undo;
use proptest::prelude::*;

fn want(title: &str, state: State, version: Option<&str>, purge: bool) -> Want<Params> {
    Want {
        id: ResourceId::new("package", title.to_owned()),
        params: Params { state, version: version.map(|v| Version(v.to_owned())), purge },
        body: None,
        sensitive: false,
        become_user: None,
        places: super::super::Places::default(),
        managed_below: vec![],
        departed: None,
    }
}

fn present(title: &str) -> Want<Params> {
    want(title, State::Present, None, false)
}

fn absent(title: &str) -> Want<Params> {
    want(title, State::Absent, None, false)
}

/// The differences, in words.
fn judged(wants: &[Want<Params>], text: &str) -> Vec<String> {
    let facts = Facts::sample();
    let all: Vec<&Want<Params>> = wants.iter().collect();
    let seen = observed(&apt::Apt, &words(&all, &facts), "amd64", text).unwrap();
    let one = |(want, seen): (&Want<Params>, &Observed)| match Package.diff(want, seen, &Ahead::default()) {
        Ok(None) => "in sync".to_owned(),
        Ok(Some(difference)) => {
            let after = Package.predict(want, seen);
            assert_eq!(Package.diff(want, &after, &Ahead::default()), Ok(None), "{want:?} {after:?}");
            let properties = difference.properties.iter().map(|p| format!("{}: {} → {}", p.name, p.from, p.to));
            properties.chain(difference.warnings.iter().map(|w| format!("! {w}"))).collect::<Vec<_>>().join("\n")
        }
        Err(why) => format!("impossible: {why}"),
    };
    wants.iter().zip(&seen).map(one).collect()
}

#[test]
fn what_a_removal_takes_along_is_shown_at_it_and_what_an_installation_brings_at_that() {
    let text = format!(
        "ii \tlibjq1\tamd64\t1.6\nii \tnginx-common\tall\t1.22\n#lists \n#policy\nhtop:\n  Candidate: 3.2.2-2\n#changes\n{}#status 0\n#end\n",
        include_str!("recorded/apt-removal.txt")
    );
    let told = judged(&[present("htop"), absent("libjq1"), absent("nginx-common")], &text);
    assert_eq!(
        told[0],
        "version: (absent) → 3.2.2-2\nalso installs: (absent) → libnl-3-200 3.7.0-0.2+b1, libnl-genl-3-200 3.7.0-0.2+b1"
    );
    assert_eq!(told[1], "version: 1.6 → (absent)\n! also removes jq 1.6-2.1+deb12u2");
    let along = "libnginx-mod-http-echo 1:0.63-4, nginx 1.22.1-9+deb12u9, nginx-light 1.22.1-9+deb12u9";
    assert_eq!(told[2], format!("version: 1.22 → (absent)\n! also removes {along}"));
    // One that goes along is wanted.
    let wants = [present("htop"), absent("libjq1"), absent("nginx-common"), present("nginx-light")];
    let told = judged(&wants, &format!("ii \tnginx-light\tamd64\t1\n{text}"));
    assert!(told[0].starts_with("version:") && told[1].starts_with("version:"), "{told:?}");
    assert_eq!(told[2], "impossible: the package manager would remove nginx-light with it, which is to be installed");
    assert_eq!(told[3], "in sync");
    // One that comes along is not.
    let told = judged(&[present("htop"), absent("libnl-3-200"), absent("libjq1"), absent("nginx-common")], &text);
    assert_eq!(told[0], "impossible: the package manager would install libnl-3-200 with it, which is to be absent");
}

#[test]
fn what_is_refused_is_refused_at_the_package_that_it_is_said_of() {
    let text = format!(
        "ii \tnginx-common\tall\t1.22\n#lists \n#policy\nnginx:\n  Candidate: 1.22\njq:\n  Candidate: 1.6\n#changes\n{}#status 100\n#end\n",
        include_str!("recorded/apt-unmet.txt")
    );
    let told = judged(&[present("nginx"), absent("nginx-common"), present("jq")], &text);
    assert!(
        told[0].starts_with("impossible: the package manager refuses it: nginx : Depends: nginx-common"),
        "{told:?}"
    );
    assert!(told[2].starts_with("version: (absent) → 1.6"), "{told:?}");
    // By stale lists nothing is refused.
    let told = judged(&[present("nginx"), absent("nginx-common")], &text.replace("#lists ", "#lists old"));
    assert!(told[0].contains("! by the lists as they are, the package manager refuses it"), "{told:?}");
}

const POLICY: &str =
    "#policy\njq:\n  Candidate: 1.7\n  Version table:\n     1.7 500\n     1.6 500\nawk:\n  Candidate: (none)\n";

#[test]
fn what_is_in_no_list_is_impossible_unless_the_lists_are_stale() {
    let wants = [present("jqq"), want("jq", State::Present, Some("9"), false), present("awk"), present("jq")];
    let answer = |lists: &str| {
        format!(
            "#lists {lists}\n{POLICY}#names\njo\njq\njqp\n#provides\nawk mawk\nawk gawk\nawk gawk\njq x\n#changes\n#status 0\n#end\n"
        )
    };
    let told = judged(&wants, &answer("\n#failed http://mirror/x"));
    assert_eq!(
        told,
        [
            "impossible: jqq is not in the host's package lists; did you mean jq?; not fetched with them: http://mirror/x",
            "impossible: the host's package lists have no version 9 of jq, but 1.7, 1.6",
            "impossible: the host's package lists have no version of awk: it is only a name that others go by; declare one of them: gawk, mawk",
            "version: (absent) → 1.7",
        ]
    );
    for stale in ["none", "sources", "old"] {
        let told = judged(&wants, &answer(stale));
        assert!(told.iter().all(|t| t.starts_with("version:") && t.contains("fetched")), "{told:?}");
    }
}

#[test]
fn the_latest_is_due_if_the_sources_have_changed_and_not_for_the_age_of_the_lists() {
    let latest = [want("jq", State::Latest, None, false)];
    let answer = |lists: &str| format!("ii \tjq\tamd64\t1.7\n#lists {lists}\n{POLICY}#end\n");
    assert_eq!(judged(&latest, &answer("")), ["in sync"]);
    assert_eq!(judged(&latest, &answer("old")), ["in sync"]);
    for changed in ["sources", "none", "sources old"] {
        assert!(judged(&latest, &answer(changed))[0].starts_with("version: 1.7 → (unknown: 1.7, unless"), "{changed}");
    }
    assert_eq!(judged(&latest, &answer("").replace("\t1.7", "\t1.6")), ["version: 1.6 → 1.7"]);
}

#[test]
fn a_long_list_is_cut() {
    let lines: String = (0..50).map(|n| format!("Inst lib{n:02} (1 x [amd64])\n")).collect();
    let text = format!("#lists \n{POLICY}#changes\n{lines}#status 0\n#end\n");
    let told = judged(&[present("jq")], &text);
    assert!(told[0].contains("lib00 1, ") && told[0].ends_with("lib19 1 and 30 more"), "{told:?}");
}

#[test]
fn how_current_the_lists_are_is_no_part_of_a_packages_state() {
    let facts = Facts::sample();
    let want = present("jq");
    let state = |lists: &str| {
        let text = format!("#lists {lists}\n{POLICY}#end\n");
        let seen = observed(&apt::Apt, &words(&[&want], &facts), "amd64", &text).unwrap();
        super::super::state::of(&seen[0])
    };
    assert_eq!(state(""), state("old"));
}

/// The commands of the steps for these, with what each serves and how it is taken back.
fn steps(wants: &[Want<Params>], text: &str) -> Vec<(String, usize, &'static str)> {
    let facts = Facts::sample();
    let all: Vec<&Want<Params>> = wants.iter().collect();
    let seen = observed(&apt::Apt, &words(&all, &facts), "amd64", text).unwrap();
    let differences: Vec<_> =
        all.iter().zip(&seen).map(|(w, s)| Package.diff(w, s, &Ahead::default()).unwrap()).collect();
    let due: Vec<Due<'_, Package>> = (wants.iter().zip(&seen).zip(&differences))
        .filter_map(|((want, seen), d)| Some(Due { want, seen, difference: d.as_ref()? }))
        .collect();
    let mut steps = Steps::default();
    Package.apply(&all, &due, &facts, &mut steps);
    let told = steps.into_vec().into_iter().map(|s| {
        let crate::shell::steps::Step::Run(command) = s.step else { panic!("a command") };
        let undo = match s.undo {
            Undo::RunOn(_) => "back",
            Undo::Irreversible(_) => "never",
            Undo::Nothing => "nothing",
            _ => "other",
        };
        (command.argv.join(" "), s.serves.len(), undo)
    });
    told.collect()
}

#[test]
fn a_purge_is_of_exactly_its_own_package() {
    let wants = [want("jq", State::Absent, None, true), absent("htop"), want("tree", State::Absent, None, true)];
    let told = steps(&wants, "ii \tjq\tamd64\t1\nii \thtop\tamd64\t1\nrc \ttree\tamd64\t1\n#end\n");
    assert!(told[0].0.ends_with("install -- jq- htop-") && told[0].1 == 2 && told[0].2 == "back", "{told:?}");
    let purges: Vec<_> = told.iter().filter(|t| t.2 == "never").collect();
    assert_eq!(purges.iter().map(|t| t.1).collect::<Vec<_>>(), [1, 1]);
    assert!(purges[0].0.ends_with("dpkg --purge -- jq") && purges[1].0.ends_with("dpkg --purge -- tree"), "{told:?}");
    assert!(!told.iter().any(|t| t.0.contains("apt-get purge") || t.0.contains("purge -- htop")));
}

#[test]
fn lists_are_fetched_only_if_they_are_stale() {
    let wants = [present("jq"), want("htop", State::Present, Some("3"), false)];
    let answer =
        |lists: &str| format!("#lists {lists}\n{POLICY}htop:\n  Candidate: 3\n  Version table:\n     3 500\n#end\n");
    assert!(!steps(&wants, &answer("")).iter().any(|t| t.0.contains("apt-get -y -q") && t.0.ends_with("update")));
    let told = steps(&wants, &answer("old"));
    assert!(told[0].0.ends_with("update") && told[0].1 == 2 && told[0].2 == "nothing", "{told:?}");
}

#[test]
fn two_names_of_one_package_are_duplicates() {
    let facts = Facts::sample();
    let key = |title: &str| Package.key(&present(title), &facts).into_owned();
    assert_eq!(key("tree"), key("tree:amd64"));
    assert_ne!(key("tree"), key("tree:i386"));
    let dnf = Facts { package_manager: PackageManager::Dnf, package_arch: "x86_64".into(), ..Facts::sample() };
    assert_eq!(Package.key(&present("tree.x86_64"), &dnf), "tree");
}

/// Words that package managers say.
const WORDS: &[&str] = &[
    "#lists none\n",
    "#lists \n",
    "#policy\n",
    "#names\n",
    "#changes\n",
    "#status 0\n",
    "#status 100\n",
    "#failed x\n",
    "nginx:\n",
    "  Candidate: 1\n",
    "     1 500\n",
    "ii \tnginx\tamd64\t1.0\n",
    "iU \tnginx\tamd64\t1.0\n",
    "nginx\t1\tx86_64\n",
    "nginx 0:1 x86_64\n",
    "nginx-1-r0\n",
    "nginx policy:\n",
    "  1-r0:\n",
    "Inst nginx [1] (2 x [amd64])\n",
    "Remv nginx [1]\n",
    "Inst\n",
    "The following packages have unmet dependencies:\n",
    " nginx : Depends: x\n",
    "         Depends: y\n",
    "Installing a as Depends of nginx\n",
    "Considering nginx:amd64 1 as a solution to b:amd64 1\n",
    "Removing b:amd64 rather than change nginx\n",
    "E: no\n",
    "Installing:\n",
    " nginx x86_64 1 r 1 k\n",
    " nginx\n",
    "Transaction Summary\n",
    "Error: no\n",
    " Problem 1: no\n",
    "(1/1) Installing nginx (1)\n",
    "(1/1) Purging a (1)\n",
    "ERROR: unable to select packages:\n",
    "  nginx (no such package):\n",
];

proptest! {
    #[test]
    fn whatever_a_package_manager_says_nothing_panics_and_what_is_predicted_is_in_sync(
        said in proptest::collection::vec(prop_oneof![
            proptest::sample::select(WORDS).prop_map(str::to_owned),
            "\\PC{0,30}\n",
        ], 0..30),
    ) {
        let text = said.concat() + "\n#end\n";
        let wants = [
            present("nginx"),
            absent("a"),
            want("b", State::Absent, None, true),
            want("jq", State::Present, Some("1"), false),
            want("nginx:i386", State::Latest, None, false),
        ];
        let all: Vec<&Want<Params>> = wants.iter().collect();
        let providers: [&dyn Provider; 3] = [&apt::Apt, &dnf::Dnf, &apk::Apk];
        for provider in providers {
            let Ok(seen) = observed(provider, &words(&all, &Facts::sample()), "amd64", &text) else { continue };
            for (want, seen) in wants.iter().zip(&seen) {
                if let Ok(Some(_)) = Package.diff(want, seen, &Ahead::default()) {
                    let after = Package.predict(want, seen);
                    prop_assert_eq!(Package.diff(want, &after, &Ahead::default()), Ok(None));
                }
            }
        }
        let _ = Answer::read(&said.concat());
        attribution::near(&text, &[&text, "x"]);
    }
}
