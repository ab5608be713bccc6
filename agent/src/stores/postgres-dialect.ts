import {
  type BinaryOperationNode,
  OperatorNode,
  PostgresDialect,
  PostgresQueryCompiler,
  RawNode,
  ValueNode,
} from 'kysely';
import { LIST_OPENS } from './statements.ts';

/** Kysely for PostgreSQL, with lists as one parameter (`among`) in its own way: an array. */
export class ListsAsArrays extends PostgresDialect {
  override createQueryCompiler(): PostgresQueryCompiler {
    return new ArrayCompiler();
  }
}

class ArrayCompiler extends PostgresQueryCompiler {
  protected override visitBinaryOperation(node: BinaryOperationNode): void {
    const list = listOf(node);
    if (list === null) {
      super.visitBinaryOperation(node);
      return;
    }
    this.visitNode(node.leftOperand);
    // The parameter takes its type from the column, so that the empty list has one, too.
    this.append(list.not ? ' <> all(' : ' = any(');
    this.appendValue(list.values);
    this.append(')');
  }
}

function listOf({ operator, rightOperand: right }: BinaryOperationNode) {
  if (!OperatorNode.is(operator) || !RawNode.is(right) || right.sqlFragments[0] !== LIST_OPENS) return null;
  const [value] = right.parameters;
  if (value === undefined || !ValueNode.is(value)) return null;
  return { not: operator.operator === 'not in', values: JSON.parse(String(value.value)) as readonly unknown[] };
}
