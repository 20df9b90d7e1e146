//! Names of MITRE ATT&CK (Enterprise): tactics, and the techniques that clouds know.

/// Tactics in the order of an attack: name, id.
const TACTICS: [(&str, &str); 14] = [
    ("Reconnaissance", "TA0043"),
    ("Resource Development", "TA0042"),
    ("Initial Access", "TA0001"),
    ("Execution", "TA0002"),
    ("Persistence", "TA0003"),
    ("Privilege Escalation", "TA0004"),
    ("Defense Evasion", "TA0005"),
    ("Credential Access", "TA0006"),
    ("Discovery", "TA0007"),
    ("Lateral Movement", "TA0008"),
    ("Collection", "TA0009"),
    ("Command and Control", "TA0011"),
    ("Exfiltration", "TA0010"),
    ("Impact", "TA0040"),
];

/// Names of techniques; one that is not here is called by its id.
const TECHNIQUES: [(&str, &str); 58] = [
    ("T1021", "Remote Services"),
    ("T1021.007", "Cloud Services"),
    ("T1040", "Network Sniffing"),
    ("T1059", "Command and Scripting Interpreter"),
    ("T1059.009", "Cloud API"),
    ("T1069", "Permission Groups Discovery"),
    ("T1069.003", "Cloud Groups"),
    ("T1078", "Valid Accounts"),
    ("T1078.001", "Default Accounts"),
    ("T1078.004", "Cloud Accounts"),
    ("T1087", "Account Discovery"),
    ("T1087.004", "Cloud Account"),
    ("T1098", "Account Manipulation"),
    ("T1098.001", "Additional Cloud Credentials"),
    ("T1098.003", "Additional Cloud Roles"),
    ("T1110", "Brute Force"),
    ("T1136", "Create Account"),
    ("T1136.003", "Cloud Account"),
    ("T1190", "Exploit Public-Facing Application"),
    ("T1199", "Trusted Relationship"),
    ("T1201", "Password Policy Discovery"),
    ("T1485", "Data Destruction"),
    ("T1486", "Data Encrypted for Impact"),
    ("T1490", "Inhibit System Recovery"),
    ("T1496", "Resource Hijacking"),
    ("T1525", "Implant Internal Image"),
    ("T1526", "Cloud Service Discovery"),
    ("T1528", "Steal Application Access Token"),
    ("T1530", "Data from Cloud Storage"),
    ("T1531", "Account Access Removal"),
    ("T1535", "Unused/Unsupported Cloud Regions"),
    ("T1537", "Transfer Data to Cloud Account"),
    ("T1538", "Cloud Service Dashboard"),
    ("T1546", "Event Triggered Execution"),
    ("T1548", "Abuse Elevation Control Mechanism"),
    ("T1548.005", "Temporary Elevated Cloud Access"),
    ("T1550", "Use Alternate Authentication Material"),
    ("T1550.001", "Application Access Token"),
    ("T1552", "Unsecured Credentials"),
    ("T1552.001", "Credentials In Files"),
    ("T1552.005", "Cloud Instance Metadata API"),
    ("T1555", "Credentials from Password Stores"),
    ("T1555.006", "Cloud Secrets Management Stores"),
    ("T1556", "Modify Authentication Process"),
    ("T1562", "Impair Defenses"),
    ("T1562.001", "Disable or Modify Tools"),
    ("T1562.007", "Disable or Modify Cloud Firewall"),
    ("T1562.008", "Disable or Modify Cloud Logs"),
    ("T1578", "Modify Cloud Compute Infrastructure"),
    ("T1578.001", "Create Snapshot"),
    ("T1578.002", "Create Cloud Instance"),
    ("T1578.003", "Delete Cloud Instance"),
    ("T1580", "Cloud Infrastructure Discovery"),
    ("T1606", "Forge Web Credentials"),
    ("T1619", "Cloud Storage Object Discovery"),
    ("T1621", "Multi-Factor Authentication Request Generation"),
    ("T1648", "Serverless Execution"),
    ("T1651", "Cloud Administration Command"),
];

/// The id of a tactic, if its name is known.
pub(crate) fn tactic_id(name: &str) -> Option<&'static str> {
    let known = TACTICS.iter().find(|(known, _)| known == &name);
    known.map(|(_, id)| *id)
}

/// A tactic's name as tools write it: `credential-access`. Only for known tactics.
pub(crate) fn tactic_slug(name: &str) -> Option<String> {
    tactic_id(name).map(|_| name.to_lowercase().replace(' ', "-"))
}

/// A technique's name; its id if the name is not known here.
pub(crate) fn technique_name(id: &str) -> &str {
    TECHNIQUES
        .iter()
        .find(|(known, _)| *known == id)
        .map_or(id, |(_, name)| name)
}

/// Where MITRE describes a technique.
pub(crate) fn technique_url(id: &str) -> String {
    format!(
        "https://attack.mitre.org/techniques/{}/",
        id.replace('.', "/")
    )
}

/// Whether a text has the shape of a technique's id: `T1078` or `T1078.004`.
pub(crate) fn is_technique(id: &str) -> bool {
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let Some(number) = id.strip_prefix('T') else {
        return false;
    };
    match number.split_once('.') {
        Some((main, sub)) => digits(main, 4) && digits(sub, 3),
        None => digits(number, 4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_known_by_shape() {
        assert!(is_technique("T1078") && is_technique("T1078.004"));
        for wrong in [
            "",
            "T",
            "t1078",
            "T107",
            "T1078.",
            "T1078.04",
            "T1078.004/x",
        ] {
            assert!(!is_technique(wrong), "{wrong}");
        }
    }

    #[test]
    fn every_entry_of_the_table_has_the_shape_of_an_id() {
        assert!(TECHNIQUES.iter().all(|(id, _)| is_technique(id)));
        assert!(TECHNIQUES.is_sorted());
    }
}
