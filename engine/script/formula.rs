//! The formula of the rating: a function of a script that the host calls with the numbers of each barbershop.

use rhai::{AST, CallFnOptions, Dynamic, Scope};
use serde_json::Value;

use super::diagnostic::Finding;
use super::run::timed;
use super::set::Set;
use super::value::to_script;

/// The file of the formula, and its function.
const FILE: &str = "scripts/rating.rhai";
const POINTS: &str = "points";

impl Set {
    /// The points of each row by the formula, `None` for a row that it leaves out.
    ///
    /// Blocks the thread for at most the set's wall time. Errors, in words for staff: there is no formula, it fails, or
    /// what it gives is no number.
    pub fn points(&self, rows: &[Value]) -> Result<Vec<Option<f64>>, String> {
        let ast = self.formula().ok_or_else(|| format!("нет {FILE} с функцией {POINTS}(shop)"))?;
        timed(self.limits().wall_time, || rows.iter().map(|row| self.points_of(ast, row)).collect())
    }

    /// What is wrong with the formula, if the set has one.
    pub(super) fn check_formula(&self) -> Option<Finding> {
        let (path, ast) = self.modules().find(|(path, _)| *path == FILE)?;
        let message = format!("рейтинг считает функция {POINTS}(shop): напишите fn {POINTS}(shop) {{ … }}");
        (!has_points(ast)).then(|| Finding::in_file(path, message))
    }

    fn formula(&self) -> Option<&AST> {
        self.modules().find(|(path, ast)| *path == FILE && has_points(ast)).map(|(_, ast)| ast)
    }

    fn points_of(&self, ast: &AST, row: &Value) -> Result<Option<f64>, String> {
        let options = CallFnOptions::new();
        let result = self.engine().call_fn_with_options::<Dynamic>(
            options,
            &mut Scope::new(),
            ast,
            POINTS,
            (to_script(row),),
        );
        let points = result.map_err(|error| Finding::of_error(self, FILE, &error).to_string())?;
        if points.is_unit() {
            return Ok(None);
        }
        #[expect(clippy::cast_precision_loss, reason = "kopecks of a month are far below 2^52")]
        let number = points.as_float().or_else(|_| points.as_int().map(|number| number as f64)).ok();
        let number = number.filter(|number| number.is_finite());
        number.map(Some).ok_or_else(|| {
            format!("{FILE}: {POINTS} должна вернуть число или (), а вернула {}", points.type_name())
        })
    }
}

fn has_points(ast: &AST) -> bool {
    ast.iter_functions().any(|function| function.name == POINTS && function.params.len() == 1)
}
