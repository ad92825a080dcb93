/// One step of the tables, as a file below `migrations/`.
pub(super) struct Migration {
    pub(super) version: i64,
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
}

/// All steps for SQLite, in order.
pub(super) const SQLITE: &[Migration] = &[Migration {
    version: 1,
    name: "messages_and_members",
    sql: include_str!("../../../migrations/sqlite/0001_messages_and_members.sql"),
}];

/// All steps for Postgres, in order; the same as for SQLite.
pub(super) const POSTGRES: &[Migration] = &[Migration {
    version: 1,
    name: "messages_and_members",
    sql: include_str!("../../../migrations/postgres/0001_messages_and_members.sql"),
}];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_is_listed_and_both_databases_have_the_same_steps() {
        let names = |list: &[Migration]| {
            list.iter().map(|step| format!("{:04}_{}.sql", step.version, step.name)).collect::<Vec<_>>()
        };
        assert_eq!(names(SQLITE), names(POSTGRES));
        let versions: Vec<_> = SQLITE.iter().map(|step| step.version).collect();
        assert_eq!(versions, (1..).take(SQLITE.len()).collect::<Vec<_>>());
        for (folder, list) in [("sqlite", SQLITE), ("postgres", POSTGRES)] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(folder);
            let files = fs::read_dir(path).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
            let mut files: Vec<_> = files.collect();
            files.sort();
            assert_eq!(files, names(list), "{folder}");
        }
    }
}
