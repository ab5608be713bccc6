/**
 * Every place of a payload that the runner is known to read, `[]` for every element of a list: what a policy may never
 * tolerate as a whole, since each has a meaning. Compared with the reader's own table by a test.
 */
export const KNOWN_FIELDS: readonly string[] = `
form covered_files pinned_images id token allow_git_fetch job_info.id job_info.name job_info.stage job_info.pipeline_id job_info.project_id
job_info.project_name job_info.project_full_path job_info.namespace_id job_info.root_namespace_id
job_info.organization_id job_info.instance_id job_info.instance_uuid job_info.user_id job_info.scoped_user_id
job_info.time_in_queue_seconds job_info.project_jobs_running_on_instance_runners_count job_info.queue_size
job_info.queue_depth git_info.repo_url git_info.repo_object_format git_info.ref git_info.sha git_info.before_sha
git_info.ref_type git_info.refspecs git_info.depth git_info.protected runner_info.timeout runner_info.uuid
runner_info.runner_session_url inputs[].key inputs[].value.type inputs[].value.content inputs[].value.sensitive
variables[].key variables[].value variables[].public variables[].masked variables[].file variables[].raw
variables[].hmac variables[].jwt steps[].name steps[].script steps[].timeout steps[].when steps[].allow_failure
image.name image.alias image.command image.entrypoint image.ports[].number image.ports[].protocol image.ports[].name
image.variables[].key image.variables[].value image.variables[].public image.variables[].masked
image.variables[].file image.variables[].raw image.variables[].hmac image.variables[].jwt image.pull_policy
image.executor_opts.docker.platform image.executor_opts.docker.user image.executor_opts.kubernetes.user
services[].name services[].alias services[].command services[].entrypoint services[].ports[].number
services[].ports[].protocol services[].ports[].name services[].variables[].key services[].variables[].value
services[].variables[].public services[].variables[].masked services[].variables[].file services[].variables[].raw
services[].variables[].hmac services[].variables[].jwt services[].pull_policy
services[].executor_opts.docker.platform services[].executor_opts.docker.user
services[].executor_opts.kubernetes.user artifacts[].name artifacts[].untracked artifacts[].paths artifacts[].exclude
artifacts[].when artifacts[].artifact_type artifacts[].artifact_format artifacts[].expire_in cache[].key
cache[].untracked cache[].policy cache[].paths cache[].when cache[].fallback_keys cache[].unprotect
credentials[].type credentials[].url credentials[].username credentials[].password dependencies[].id
dependencies[].token dependencies[].name dependencies[].artifacts_file.filename dependencies[].artifacts_file.size
features.trace_sections features.token_mask_prefixes features.failure_reasons features.tracing.trace_id
features.tracing.span_parent_id features.tracing.otel_endpoints[].url features.tracing.otel_endpoints[].auth.type
features.tracing.otel_endpoints[].auth.http_bearer_gcp_oidc.audience secrets hooks[].name hooks[].script run
policy_options.execution_policy_job policy_options.policy_name policy_options.policy_variables_override_allowed
policy_options.policy_variables_override_exceptions suspend_options.suspend_on_success
suspend_options.suspend_on_failure suspend_options.environment_key suspend_options.runtime_environment_key
`
  .trim()
  .split(/\s+/);
