import { z } from 'zod';
import type { PolicySettings } from '../../domain/policy.ts';
import { fieldProblem, NO_TOLERANCE, toleratedNameProblem } from '../../domain/tolerate.ts';
import { templateParts } from '../../domain/tolerated-template.ts';
import { VALUE_SHAPES } from '../../domain/value-shapes.ts';
import type { Saying } from './approving.ts';
import { glob } from './scalars.ts';

const MAX_ITEMS = 1_000;

const variableName = z
  .string()
  .min(1)
  .max(255)
  .superRefine((name, context) => {
    const problem = toleratedNameProblem(name);
    if (problem !== null) context.addIssue(problem);
  });
const field = z
  .string()
  .max(1_000)
  .superRefine((path, context) => {
    const problem = fieldProblem(path);
    if (problem !== null) context.addIssue(problem);
  });
const template = z.string().superRefine((text, context) => {
  if (templateParts(text) === null)
    context.addIssue(`${text} is no template: write text and at most six names as in 1.4.\${CI_PIPELINE_IID}`);
});
/** Names as keys are checked one by one: zod's own message for a bad key would not say what is wrong with it. */
function byName<T extends z.ZodType>(of: T) {
  return z.record(z.string().min(1).max(255), of).superRefine((record, context) => {
    for (const name of Object.keys(record)) {
      const problem = toleratedNameProblem(name);
      if (problem !== null) context.addIssue({ code: 'custom', path: [name], message: problem });
    }
  });
}
/** `*` alone would tolerate whatever anybody adds: a pattern says at least where it begins or ends. */
const someGlob = glob.refine((text) => /[^*]/.test(text), 'a pattern of nothing but * would let everything pass');
const globsOf = z.array(someGlob).max(MAX_ITEMS);

/** What may differ from what people approved: compared, never hashed. */
export const tolerateShape = {
  tolerate: z
    .strictObject({
      fields: z
        .array(field)
        .max(MAX_ITEMS)
        .optional()
        .describe('Fields of the form that the runner does not know, as in features.new_flag; [] for every element.'),
      variables: z
        .strictObject({
          values: z
            .union([z.literal('masked'), z.array(z.union([z.literal('masked'), variableName])).max(MAX_ITEMS)])
            .optional()
            .describe('Whose values may differ: masked (of every masked variable), or a list of names.'),
          ambient: globsOf.optional().describe('Patterns of names that may come, go and differ.'),
          shapes: byName(z.enum(VALUE_SHAPES))
            .optional()
            .describe('By name: the value may differ as long as both look like this.'),
          templates: byName(template)
            .optional()
            .describe('By name: the value may differ as long as both are this text, filled with what GitLab sent.'),
        })
        .optional(),
      dependencies: globsOf.optional().describe('Patterns of job names whose artifacts may be taken in or not.'),
      images: globsOf.optional().describe('Patterns of images: one that fits may be another that fits the same.'),
      cache_index: z
        .boolean()
        .optional()
        .describe('The number behind a lone cache key, which GitLab raises when somebody clears the caches.'),
    })
    .optional()
    .describe(
      'What may differ from what people approved. What stands here stands for the whole: nothing is added to it.',
    ),
};
type Read = z.output<z.ZodObject<typeof tolerateShape>>;

/** The setting that this part of the file says. What it does not say is not tolerated: nothing is inherited piece by piece. */
export function tolerateOf({ tolerate }: Read) {
  if (tolerate === undefined) return {} satisfies Saying;
  const { variables } = tolerate;
  const values = variables?.values === 'masked' ? ['masked'] : (variables?.values ?? []);
  const tolerance: PolicySettings['tolerance'] = {
    fields: tolerate.fields ?? NO_TOLERANCE.fields,
    variables: {
      masked: values.includes('masked'),
      values: values.filter((name) => name !== 'masked'),
      ambient: variables?.ambient ?? [],
      shapes: variables?.shapes ?? {},
      templates: variables?.templates ?? {},
    },
    dependencies: tolerate.dependencies ?? [],
    images: tolerate.images ?? [],
    cacheIndex: tolerate.cache_index ?? false,
  };
  return { tolerance } satisfies Saying;
}
