use lockdoctor::diagnosis::{Model, input::*};
use lockdoctor::gatewaylog::{Merged, Reading, Source, Stream};
use lockdoctor::redact::Redactor;

#[test]
fn dump() {
    let Some(dir) = std::env::var_os("LOCKDOCTOR_LOG_SAMPLES") else { return };
    let captures = std::path::Path::new(&dir).join("captures");
    let mut versions: Vec<_> = std::fs::read_dir(captures).unwrap().map(|e| e.unwrap().path()).collect();
    versions.sort();
    for version in versions {
        let mut scenarios: Vec<_> = std::fs::read_dir(&version).unwrap().map(|e| e.unwrap().path()).collect();
        scenarios.sort();
        for scenario in scenarios {
            for which in ["gateway.log", "console"] {
                let files: Vec<_> = std::fs::read_dir(&scenario)
                    .unwrap()
                    .map(|e| e.unwrap().path())
                    .filter(|p| p.file_name().unwrap().to_str().unwrap().starts_with(which))
                    .collect();
                let reading =
                    Reading::new(chrono::DateTime::parse_from_rfc3339("2026-11-22T15:00:00Z").unwrap(), None);
                let streams =
                    files.iter().map(|f| Stream::open(&Source::File(f.clone()), &reading).unwrap()).collect();
                let mut model = Model::default();
                for (source, entry) in Merged::new(streams) {
                    model.push(source, &entry);
                }
                let d = model.diagnose(&Facts::default(), reading.now.into(), Redactor::Off);
                println!(
                    "#### {} {} {}",
                    version.file_name().unwrap().to_str().unwrap(),
                    scenario.file_name().unwrap().to_str().unwrap(),
                    which
                );
                for f in &d.findings {
                    println!("   {:?} {} x{}: {}", f.severity, f.code.as_str(), f.count, f.explanation);
                    if std::env::var_os("EV").is_some() {
                        for l in &f.evidence {
                            println!("        | {:?} {}", l.at, l.text);
                        }
                    }
                }
            }
        }
    }
}
