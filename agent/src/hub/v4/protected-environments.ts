import {
  environmentsOf,
  protectEnvironment,
  unprotectEnvironment,
  updateEnvironment,
} from '../../app/deployments/edit-environment.ts';
import { isTier } from '../../domain/environment-tier.ts';
import type { EnvironmentKey, EnvironmentWish, ProtectedEnvironment } from '../../domain/protected-environment.ts';
import { listQuery, protectBody, reprotectBody } from '../../wire/v4/bodies.ts';
import { gitlabOrigin, type V4Context } from './context.ts';
import { type Describer, describer } from './describe.ts';
import { approvalRulesOf, deployAccessOf, type Placing } from './elements.ts';
import { asGitlab, V4Error } from './errors.ts';
import { groupOf, projectOf } from './lookup.ts';
import { pageAnswer, partOf, sliceOf } from './pagination.ts';
import { pendingAnswer } from './pending.ts';
import type { V4Request, V4Route } from './route.ts';

type Level = ProtectedEnvironment['level'];

/** What the verbs refuse, in GitLab's words; whether it exists already is said in two ways. */
const words = (level: Level) =>
  ({
    forbidden: 'forbidden',
    not_eligible: 'forbidden',
    not_found: 'not_found',
    not_protected: 'not_found',
    already_protected: level === 'project' ? 'project_conflict' : 'group_conflict',
  }) as const;

/** A protected environment as GitLab shows it; a count for all rules together is what newer GitLab no longer has. */
async function view(environment: ProtectedEnvironment, describe: Describer) {
  const { name, deployAccess, approvalRules } = environment;
  return {
    name,
    deploy_access_levels: await Promise.all(
      deployAccess.map(async ({ id, who }) => ({ id, ...(await describe.who(who)) })),
    ),
    required_approval_count: 0,
    approval_rules: await Promise.all(
      approvalRules.map(async ({ id, who, count }) => ({
        id,
        ...(await describe.who(who)),
        required_approvals: count,
      })),
    ),
  };
}

function requireName(level: Level, name: string): void {
  if (name.trim() === '') throw new V4Error('blank_name');
  if (level === 'group' && !isTier(name)) throw new V4Error('no_tier');
}

function routesOf(context: V4Context, level: Level): readonly V4Route[] {
  const { hub } = context;
  const url = `/${level}s/:id/protected_environments`;
  const where = level === 'project' ? 'of a project' : 'of a group, one for each tier';
  /** Where it belongs, for whoever may change it there: GitLab shows it to nobody else either. */
  const ownerOf = async (request: V4Request) => {
    const owner = await (level === 'project' ? projectOf(context, request) : groupOf(context, request));
    if (owner.accessLevel < (await hub.policy()).edit.environments) throw new V4Error('forbidden');
    return owner;
  };
  const describe = () => describer(hub.directory, gitlabOrigin(context));
  const allOf = (request: V4Request, owner: number) =>
    asGitlab(words(level), () => environmentsOf(hub, request.caller, level, owner));
  const oneOf = async (request: V4Request) => {
    const owner = await ownerOf(request);
    const name = request.path('name');
    const all = await allOf(request, owner.id);
    const found = all.find((environment) => environment.name.toLowerCase() === name.toLowerCase());
    if (found === undefined) throw new V4Error('not_found');
    return { owner, found, key: { level, owner: owner.id, name: found.name } satisfies EnvironmentKey };
  };
  const requireNoCount = (count: number | undefined): void => {
    if (count !== undefined && count > 0) throw new V4Error('approval_count');
  };
  const wishOf = async (
    body: { deploy_access_levels?: Elements; approval_rules?: Elements },
    before: Pick<ProtectedEnvironment, 'deployAccess' | 'approvalRules'>,
    owner: number,
  ): Promise<EnvironmentWish> => {
    const placing: Placing = { directory: hub.directory, level, owner };
    const limit = (await hub.policy()).edit.maxRequiredApprovals;
    const deployAccess = await deployAccessOf(body.deploy_access_levels, before.deployAccess, placing);
    const approvalRules = await approvalRulesOf(body.approval_rules, before.approvalRules, placing, limit);
    return { ...(deployAccess && { deployAccess }), ...(approvalRules && { approvalRules }) };
  };
  return [
    {
      method: 'GET',
      url,
      summary: `Protected environments ${where}.`,
      scopes: ['read'],
      handle: async (request) => {
        const all = await allOf(request, (await ownerOf(request)).id);
        const part = partOf(request.read(listQuery));
        const shown = await Promise.all(sliceOf(all, part).map((one) => view(one, describe())));
        return pageAnswer(request, hub.externalUrl(), part, all.length, shown);
      },
    },
    {
      method: 'GET',
      url: `${url}/:name`,
      summary: `One protected environment ${where}.`,
      scopes: ['read'],
      handle: async (request) => ({ body: await view((await oneOf(request)).found, describe()) }),
    },
    {
      method: 'POST',
      url,
      summary: `Protect an environment ${where}.`,
      scopes: ['deploy', 'admin'],
      handle: async (request) => {
        const owner = await ownerOf(request);
        const all = await allOf(request, owner.id);
        const body = request.read(protectBody);
        requireNoCount(body.required_approval_count);
        const { name } = body;
        const known = all.some((one) => one.name.toLowerCase() === name.toLowerCase());
        if (known) throw new V4Error(words(level).already_protected, { name });
        requireName(level, name);
        const wish = await wishOf(body, { deployAccess: [], approvalRules: [] }, owner.id);
        const { environment, pending } = await asGitlab(
          words(level),
          () => protectEnvironment(hub, request.caller, { level, owner: owner.id, name }, wish),
          { name },
        );
        if (pending !== null) return pendingAnswer(pending);
        if (environment === null) throw new V4Error('not_found');
        return { status: 201, body: await view(environment, describe()) };
      },
    },
    {
      method: 'PUT',
      url: `${url}/:name`,
      summary: `Change a protected environment ${where}: elements with \`id\` are changed, with \`_destroy\` as well taken away, others added.`,
      scopes: ['deploy', 'admin'],
      handle: async (request) => {
        const { owner, found, key } = await oneOf(request);
        const body = request.read(reprotectBody);
        requireNoCount(body.required_approval_count);
        const wish = await wishOf(body, found, owner.id);
        const { environment, pending } = await asGitlab(words(level), () =>
          updateEnvironment(hub, request.caller, key, wish),
        );
        if (pending !== null) return pendingAnswer(pending);
        if (environment === null) throw new V4Error('not_found');
        return { body: await view(environment, describe()) };
      },
    },
    {
      method: 'DELETE',
      url: `${url}/:name`,
      summary: `Protect an environment ${where} no longer.`,
      scopes: ['deploy', 'admin'],
      handle: async (request) => {
        const { key } = await oneOf(request);
        const { pending } = await asGitlab(words(level), () => unprotectEnvironment(hub, request.caller, key));
        return pending === null ? { status: 204 } : pendingAnswer(pending);
      },
    },
  ];
}

type Elements = Parameters<typeof deployAccessOf>[0];

/** Protected environments of projects and of groups. */
export function protectedEnvironmentRoutes(context: V4Context): readonly V4Route[] {
  return [...routesOf(context, 'project'), ...routesOf(context, 'group')];
}
