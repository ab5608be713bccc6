import type { V4Context } from './context.ts';
import { deploymentRoutes } from './deployments.ts';
import { environmentRoutes } from './environments.ts';
import { jobRoutes } from './jobs.ts';
import { placeRoutes } from './places.ts';
import { protectedEnvironmentRoutes } from './protected-environments.ts';
import type { V4Route } from './route.ts';
import { userRoutes } from './user.ts';

/** The whole of GitLab's API that is here. */
export function v4Routes(context: V4Context): readonly V4Route[] {
  return [placeRoutes, protectedEnvironmentRoutes, deploymentRoutes, jobRoutes, environmentRoutes, userRoutes].flatMap(
    (part) => part(context),
  );
}
