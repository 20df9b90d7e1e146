//! The detections that come with the program.

use crate::load::{Loaded, Placeholders, load_text};

macro_rules! detections {
    ($($file:literal)*) => {
        [$(($file, include_str!(concat!("../../../catalog/detections/", $file)))),*]
    };
}

/// Name and text of each file of `catalog/detections`.
static FILES: &[(&str, &str)] = &detections![
    "accelerated_instances_started.yml"
    "access_key_created.yml"
    "access_key_created_for_another.yml"
    "access_key_switched_on.yml"
    "admin_policy_attached.yml"
    "agent_attack_tool.yml"
    "agent_plain_http_client.yml"
    "agents_and_endpoints_called.yml"
    "api_keys_read.yml"
    "audit_log_read.yml"
    "bedrock_guardrail_changed.yml"
    "bedrock_key_user_armed.yml"
    "bedrock_logging_changed.yml"
    "bucket_opened_to_everyone.yml"
    "bucket_replication_set.yml"
    "bucket_versions_suspended.yml"
    "build_and_job_settings_read.yml"
    "bulk_export_started.yml"
    "burst_of_denied_calls.yml"
    "commands_on_hosts.yml"
    "configuration_record_stopped.yml"
    "console_login_without_second_factor.yml"
    "console_password_set.yml"
    "console_session_from_keys.yml"
    "contained_key_still_tried.yml"
    "data_destroyed.yml"
    "decrypt_for_secret.yml"
    "federation_token_taken.yml"
    "federation_token_with_all_rights.yml"
    "firewall_opened_to_world.yml"
    "iam_permission_enumeration.yml"
    "identity_check_before_secrets.yml"
    "identity_provider_added.yml"
    "instance_password_read.yml"
    "instance_start_script_changed.yml"
    "instance_user_data_read.yml"
    "lambda_code_changed.yml"
    "lambda_environment_read.yml"
    "lambda_opened_to_everyone.yml"
    "launch_template_read.yml"
    "log_bucket_expiry_set.yml"
    "log_group_deleted.yml"
    "login_guessed.yml"
    "mass_destruction.yml"
    "model_access_opened.yml"
    "models_called_in_many_regions.yml"
    "models_called_with_bearer_token.yml"
    "models_called_with_long_term_key.yml"
    "models_probed.yml"
    "models_surveyed.yml"
    "object_with_credentials_read.yml"
    "organization_escaped.yml"
    "organization_mapped.yml"
    "other_user_credentials_added.yml"
    "parameter_decrypted.yml"
    "parameter_history_read.yml"
    "parameters_listed.yml"
    "permissions_boundary_removed.yml"
    "public_access_block_lifted.yml"
    "quarantine_attached.yml"
    "quarantine_lifted.yml"
    "quota_raise_requested.yml"
    "rights_changed.yml"
    "role_assumption_denied.yml"
    "role_trust_changed.yml"
    "role_trusts_everyone.yml"
    "roles_tried_out.yml"
    "root_used.yml"
    "scheduled_work_added.yml"
    "second_factor_changed.yml"
    "secret_read_through_parameter.yml"
    "secret_value_read.yml"
    "secret_values_read_in_batch.yml"
    "secrets_listed.yml"
    "service_credential_created.yml"
    "service_credentials_minted.yml"
    "ses_quota_check.yml"
    "session_token_from_long_term_key.yml"
    "snapshot_made_public.yml"
    "snapshot_shared.yml"
    "ssh_key_pair_added.yml"
    "stack_template_read.yml"
    "survey_of_services.yml"
    "sweep_of_parameters.yml"
    "sweep_of_regions.yml"
    "sweep_of_secrets.yml"
    "task_definition_read.yml"
    "threat_detection_blinded.yml"
    "trail_narrowed.yml"
    "trail_stopped.yml"
    "user_created.yml"
    "user_made_and_armed.yml"
    "watchers_looked_up.yml"
];

/// The detections that come with the program. They are read like any others.
pub fn builtin() -> Loaded {
    let mut loaded = Loaded::default();
    for (name, text) in FILES {
        loaded.add(load_text(
            &format!("builtin/{name}"),
            text,
            &Placeholders::new(),
        ));
    }
    loaded
}
